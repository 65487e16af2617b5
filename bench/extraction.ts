/**
 * Extraction against gold text and against the clock, on the labelled crawl beside the repository.
 *
 *   node dist/bench/extraction.js [--pages N] [--readability N] [--held-out] [--rounds N]
 *
 * Quality: token F1, 4-gram F and snippets of main-content beside trafilatura's two modes (texts made with
 * trafilatura 1.11) and Readability on a subset. The model that ships has seen these pages; `--held-out` fits one on
 * each half of the domains and measures it on the other (some fifteen CPU minutes), which is the number to believe.
 * Speed: CPU time from decoded HTML to text, the engines in turn page by page, so that a busy machine harms all alike.
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../lib/package-root.ts";
import { hash32 } from "../lib/random.ts";
import { classifierOf } from "../pipeline/extractors/classify.ts";
import { defaultLimits, type Engine } from "../pipeline/extractors/extraction.ts";
import { fullText } from "../pipeline/extractors/full-text.ts";
import { mainContent, mainContentWith } from "../pipeline/extractors/main-content.ts";
import { readability } from "../pipeline/extractors/readability.ts";
import { halfOf, hasCrawl, type LabelledPage, labelledPages, predictions } from "./extraction/corpus.ts";
import { fitModel } from "./extraction/fit.ts";
import { type PageScore, scoreOf, summaryOf } from "./extraction/score.ts";

const { values: flags } = parseArgs({
  options: {
    pages: { type: "string", default: "2842" },
    readability: { type: "string", default: "200" },
    rounds: { type: "string", default: "3" },
    "held-out": { type: "boolean", default: false },
  },
});

if (!hasCrawl) {
  console.error("bench/extraction needs the labelled crawl at ../shared/data/crawl");
  process.exit(1);
}

const options = { comments: true, tables: true, limits: defaultLimits };
const version = (name: string): string =>
  (
    JSON.parse(readFileSync(join(packageRoot, "node_modules", name, "package.json"), "utf8")) as {
      version: string;
    }
  ).version;
const pages = labelledPages()
  .sort((a, b) => hash32(3, a.id) - hash32(3, b.id) || (a.id < b.id ? -1 : 1))
  .slice(0, Number(flags.pages));

type Scored = { readonly page: LabelledPage; readonly score: PageScore };
type Column = { readonly name: string; readonly scored: readonly Scored[] };

function scored(name: string, over: readonly LabelledPage[], textOf: (page: LabelledPage) => string): Column {
  return { name, scored: over.map(page => ({ page, score: scoreOf(page.gold, textOf(page)) })) };
}

function table(title: string, columns: readonly Column[]): void {
  console.log(`\n${title}`);
  console.log(["group".padEnd(38), "pages", ...columns.map(column => column.name.padStart(22))].join("  "));
  const groups: [string, (page: LabelledPage) => string][] = [
    ["", () => "all"],
    ["type ", page => page.type],
    ["source ", page => page.source],
    ["language ", page => page.language],
  ];
  for (const [prefix, of] of groups) {
    for (const group of [...new Set(columns[0].scored.map(({ page }) => of(page)))].sort()) {
      const summaries = columns.map(column =>
        summaryOf(column.scored.filter(({ page }) => of(page) === group).map(({ score }) => score)),
      );
      if (summaries[0].pages < 10) continue;
      const cells = summaries.map(({ f1, shingleF }) =>
        `${f1.toFixed(3)} / ${shingleF.toFixed(3)}`.padStart(22),
      );
      console.log([(prefix + group).padEnd(38), String(summaries[0].pages).padStart(5), ...cells].join("  "));
    }
  }
  const snippets = columns.map(column => summaryOf(column.scored.map(({ score }) => score)));
  const cells = snippets.map(({ wanted, unwanted }) =>
    `${wanted.toFixed(3)} / ${unwanted.toFixed(3)}`.padStart(22),
  );
  console.log(["snippets wanted / unwanted".padEnd(38), "     ", ...cells].join("  "));
}

const by = (engine: Engine) => (page: LabelledPage) => engine(page.html(), page.url, options).text;
const precise = predictions("datatrove.jsonl.gz");
const standard = predictions("trafilatura-standard.jsonl.gz");
const trafilatura = (over: readonly LabelledPage[]): Column[] => [
  scored("trafilatura standard", over, page => standard.get(page.id) ?? ""),
  scored("trafilatura precision", over, page => precise.get(page.id) ?? ""),
];

console.log(
  `main-content of this tree, trafilatura 1.11 (stored texts), @mozilla/readability ${version("@mozilla/readability")} on linkedom ${version("linkedom")}, Node ${process.version}, ${cpus()[0]?.model ?? "?"}`,
);
console.log("token F1 / 4-gram F");

if (flags["held-out"]) {
  const held = (["A", "B"] as const).map(half => {
    const { model } = fitModel(
      labelledPages().filter(page => halfOf(page) === half),
      line => console.error(`half ${half}: ${line}`),
    );
    return mainContentWith(classifierOf(model));
  });
  for (const [half, engine, name] of [
    ["B", held[0], "fitted on A, measured on B"],
    ["A", held[1], "fitted on B, measured on A"],
    ["A", held[0], "fitted on A, measured on A"],
  ] as const) {
    const over = pages.filter(page => halfOf(page) === half);
    table(`Held out: ${name}`, [scored("main-content", over, by(engine)), ...trafilatura(over)]);
  }
  table("Held out: both halves together", [
    scored("main-content", pages, page => by(halfOf(page) === "A" ? held[1] : held[0])(page)),
    ...trafilatura(pages),
  ]);
}

table("The model that ships (it was fitted on these pages)", [
  scored("main-content", pages, by(mainContent)),
  ...trafilatura(pages),
]);
const subset = pages.slice(0, Number(flags.readability));
if (subset.length > 0) {
  table(`Readability, on ${subset.length} of the pages`, [
    scored("main-content", subset, by(mainContent)),
    scored("readability", subset, by(readability)),
    scored("full-text", subset, by(fullText)),
    ...trafilatura(subset),
  ]);
}

/** Median over the rounds of each page's CPU milliseconds. */
function speed(
  over: readonly LabelledPage[],
  engines: readonly (readonly [string, Engine])[],
  rounds: number,
): void {
  const times = engines.map(() => [] as number[]);
  let chars = 0;
  for (const page of over) {
    const html = page.html();
    html.charCodeAt(0);
    chars += html.length;
    engines.forEach(([, engine], i) => {
      const taken = Array.from({ length: rounds }, () => {
        const start = process.cpuUsage();
        engine(html, page.url, options);
        const { user, system } = process.cpuUsage(start);
        return (user + system) / 1000;
      }).sort((a, b) => a - b);
      times[i].push(taken[rounds >> 1]);
    });
  }
  console.log(
    `\nSpeed on ${over.length} pages, mean ${(chars / over.length / 1000).toFixed(0)} kB: pages and MB per CPU second, CPU ms a page`,
  );
  engines.forEach(([name], i) => {
    const all = times[i].reduce((sum, ms) => sum + ms, 0);
    const sorted = [...times[i]].sort((a, b) => a - b);
    const at = (share: number) =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(1);
    console.log(
      `${name.padEnd(14)} ${((over.length * 1000) / all).toFixed(0).padStart(5)} pages/s ${(chars / all / 1000).toFixed(1).padStart(6)} MB/s   median ${at(0.5)}  p99 ${at(0.99)}  max ${at(1)}`,
    );
  });
}

const rounds = Number(flags.rounds);
speed(
  pages.slice(0, 600),
  [
    ["main-content", mainContent],
    ["full-text", fullText],
  ],
  rounds,
);
if (subset.length > 0) {
  speed(
    subset.slice(0, 130),
    [
      ["main-content", mainContent],
      ["full-text", fullText],
      ["readability", readability],
    ],
    1,
  );
}
