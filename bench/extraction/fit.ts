/**
 * Fits the model of the engine `main-content` on the labelled crawl and writes it as TypeScript.
 *
 *   node dist/bench/extraction/fit.js [A|B|all] [output]
 *
 * First forest on all pages; its opinions of the pages it learns the second forest from come from forests that have
 * not seen the page's domain. A row weighs as much as its tokens change the page's F1: tokens over gold tokens.
 */
import { writeFileSync } from "node:fs";
import { hash32, random } from "../../lib/random.ts";
import type { StoredModel } from "../../pipeline/extractors/classify.ts";
import { fillContext } from "../../pipeline/extractors/context.ts";
import { defaultLimits } from "../../pipeline/extractors/extraction.ts";
import { columnNames, features } from "../../pipeline/extractors/features.ts";
import { probabilities, readForest, storeForest } from "../../pipeline/extractors/forest.ts";
import { readPage } from "../../pipeline/extractors/page.ts";
import { blockText } from "../../pipeline/extractors/render.ts";
import { binOf, boost, boostingDefaults, edgesOf, type Fitted } from "./boosting.ts";
import { halfOf, type LabelledPage, labelledPages } from "./corpus.ts";
import { labelsOf } from "./labels.ts";
import { tokensOf } from "./score.ts";

const FOLDS = 5;
const BINS = 48;
/** Rows that weigh less are drawn with that much less probability, and weigh this much. */
const LEAST_WEIGHT = 0.01;
/** Page types with few pages in the crawl weigh more. */
const RARE_TYPE = 2.5;

type Sample = {
  readonly page: LabelledPage;
  readonly fold: number;
  readonly rows: Float32Array;
  readonly looks: Int32Array;
  readonly label: Float32Array;
  readonly weight: Float32Array;
};

const folded = (text: string): string => text.replace(/\s+/g, " ").trim();

function sampleOf(page: LabelledPage): Sample {
  const read = readPage(page.html(), null, defaultLimits);
  const { rows, looks } = features(read);
  const texts = Array.from({ length: read.blocks.count }, (_, block) =>
    blockText(read.tree, read.blocks, block),
  );
  const fold = hash32(99, page.domain) % FOLDS;
  const { gold } = page;
  if (gold.text && gold.kind !== "snippets") {
    const { share, tokens, goldTokens } = labelsOf(texts, gold.text);
    const all = tokens.reduce((sum, n) => sum + n, 0);
    const scale =
      (page.type === "article" || page.type === "other" ? 1 : RARE_TYPE) / (goldTokens + 0.15 * all + 30);
    return { page, fold, rows, looks, label: share, weight: tokens.map(n => n * scale) };
  }
  const has = (snippets: readonly string[], text: string) =>
    snippets.some(snippet => text.includes(folded(snippet)));
  const label = new Float32Array(texts.length);
  const weight = new Float32Array(texts.length);
  texts.map(folded).forEach((text, block) => {
    const wanted = has(gold.with, text);
    if (wanted === has(gold.without, text)) return;
    label[block] = wanted ? 1 : 0;
    weight[block] = tokensOf(text).length > 0 ? 0.05 : 0;
  });
  return { page, fold, rows, looks, label, weight };
}

/** Rows drawn by weight, as columns of bins. */
function trainingSet(samples: readonly Sample[]) {
  const width = columnNames.length;
  const draw = random(5);
  const taken: { sample: number; row: number; weight: number }[] = [];
  samples.forEach(({ weight }, sample) => {
    for (let row = 0; row < weight.length; row++) {
      const chance = Math.min(1, weight[row] / LEAST_WEIGHT);
      if (draw.uniform() < chance) taken.push({ sample, row, weight: weight[row] / chance });
    }
  });
  const columns = Array.from({ length: width }, () => new Uint8Array(taken.length));
  const step = Math.max(1, Math.floor(taken.length / 40_000));
  const sampled = Array.from({ length: width }, () => new Float32Array(Math.ceil(taken.length / step)));
  for (let i = 0; i < taken.length; i += step) {
    const { rows } = samples[taken[i].sample];
    for (let c = 0; c < width; c++) sampled[c][i / step] = rows[taken[i].row * width + c];
  }
  const edges = sampled.map(values => edgesOf(values, BINS));
  taken.forEach(({ sample, row }, i) => {
    const { rows } = samples[sample];
    for (let c = 0; c < width; c++) columns[c][i] = binOf(edges[c], rows[row * width + c]);
  });
  const label = Float32Array.from(taken, ({ sample, row }) => samples[sample].label[row]);
  const weight = Float32Array.from(taken, one => one.weight);
  const group = Int32Array.from(taken, one => one.sample);
  const fit = (use: (sample: Sample) => boolean, seed: number): Fitted => {
    const rowsUsed = Int32Array.from(taken.keys()).filter(i => use(samples[group[i]]));
    return boost(
      { columns: columns.map(bins => Uint8Array.from(rowsUsed, i => bins[i])), edges },
      Float32Array.from(rowsUsed, i => label[i]),
      Float32Array.from(rowsUsed, i => weight[i]),
      Int32Array.from(rowsUsed, i => group[i]),
      boostingDefaults,
      random(seed),
    );
  };
  return { fit, rows: taken.length };
}

export type FitReport = { readonly model: StoredModel; readonly gains: ReadonlyMap<string, number> };

export function fitModel(pages: readonly LabelledPage[], say: (line: string) => void): FitReport {
  const samples = pages.map(sampleOf);
  const width = columnNames.length;
  const one = trainingSet(samples);
  say(`${pages.length} pages, ${one.rows} rows of ${width} columns`);
  const first = one.fit(() => true, 7);
  const opinions: Float32Array[] = [];
  for (let fold = 0; fold < FOLDS; fold++) {
    const fitted = one.fit(sample => sample.fold !== fold, 11 + fold);
    const forest = readForest(storeForest(fitted.trees, fitted.base, columnNames), columnNames);
    samples.forEach((sample, i) => {
      if (sample.fold === fold) opinions[i] = probabilities(forest, sample.rows, width);
    });
    say(`fold ${fold + 1} of ${FOLDS}`);
  }
  samples.forEach(({ page, looks, rows }, i) => {
    fillContext(readPage(page.html(), null, defaultLimits), opinions[i], looks, rows, width);
  });
  const second = trainingSet(samples).fit(() => true, 21);
  const gains = new Map(columnNames.map((name, c) => [name, first.gain[c] + second.gain[c]] as const));
  return {
    model: {
      first: storeForest(first.trees, first.base, columnNames),
      second: storeForest(second.trees, second.base, columnNames),
    },
    gains,
  };
}

export function modelSource({ model }: FitReport, about: string): string {
  const forest = ({ columns, base, nodes }: StoredModel["first"]): string =>
    `{\n    columns: ${JSON.stringify(columns)},\n    base: ${base},\n    nodes:\n      ${(nodes.match(/.{1,2000}/g) ?? []).map(part => JSON.stringify(part)).join(" +\n      ")},\n  }`;
  return `/** The fitted model of the engine main-content. ${about} Made by bench/extraction/fit.ts; do not edit. */
import type { StoredModel } from "./classify.ts";

export const model: StoredModel = {
  first: ${forest(model.first)},
  second: ${forest(model.second)},
};
`;
}

if (import.meta.filename === process.argv[1]) {
  const half = process.argv[2] ?? "all";
  const pages = labelledPages().filter(page => half === "all" || halfOf(page) === half);
  const report = fitModel(pages, line => console.error(line));
  const about = `Fitted on ${pages.length} labelled pages of ${new Set(pages.map(page => page.domain)).size} domains (${half === "all" ? "both halves" : `half ${half}`}).`;
  const source = modelSource(report, about);
  writeFileSync(process.argv[3] ?? "model.gen.ts", source);
  for (const [name, gain] of [...report.gains].sort((a, b) => b[1] - a[1]))
    console.log(gain.toFixed(1).padStart(9), name);
}
