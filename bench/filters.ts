/**
 * Quality filters and the formatter: documents per CPU second of each on real extracted pages, and how often each
 * decides as datatrove 0.10 (spaCy 3.8.4) did on the same pages. Datatrove itself is not run here: its whole chain
 * of extraction and filters makes 10 to 11 documents a second on these pages (recorded beside the data).
 * Run: node dist/bench/filters.js [--rounds N] [--documents N]. Needs the shared data. Rounds are interleaved, medians.
 */
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { defaults } from "../lib/options.ts";
import { packageRoot } from "../lib/package-root.ts";
import type { Document } from "../pipeline/document.ts";
import { c4Quality } from "../pipeline/filters/c4-quality.ts";
import { finewebQuality } from "../pipeline/filters/fineweb-quality.ts";
import { gopherQuality } from "../pipeline/filters/gopher-quality.ts";
import { gopherRepetition } from "../pipeline/filters/gopher-repetition.ts";
import { pii } from "../pipeline/formatters/pii.ts";
import type { Judge, Stage } from "../pipeline/stage.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, documents: { type: "string", default: "600" } },
});
const path = join(packageRoot, "..", "shared", "data", "oracle", "datatrove.jsonl.gz");
if (!existsSync(path)) {
  console.error(`${path} is absent`);
  process.exit(2);
}

type Page = { readonly outcome: string; readonly text?: string };
const pages = gunzipSync(readFileSync(path))
  .toString("utf8")
  .trim()
  .split("\n")
  .map(line => JSON.parse(line) as Page)
  .filter(({ outcome }) => outcome >= "4");
const document = (text: string): Document => ({
  id: "",
  url: null,
  date: "",
  text,
  page: null,
  meta: {},
  at: { file: "", offset: 0, length: 0 },
});
const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

const stages = [
  [gopherRepetition, "4_gopher_rep"],
  [gopherQuality, "5_gopher_qual"],
  [c4Quality, "6_c4"],
  [finewebQuality, "7_fineweb_qual"],
  [pii, null],
] as unknown as readonly (readonly [Stage, string | null])[];
const context = { load: () => Promise.reject(new Error("no file")), seed: 1 };
const judges = stages.map(([stage, outcome]) => ({
  name: stage.name,
  outcome,
  judge: stage.build({ ...defaults(stage.options), ...stage.presets?.["fineweb@0.10"] }, context) as Judge,
}));

const agreed = new Map<string, [equal: number, all: number]>();
for (const page of pages) {
  let current = document(page.text ?? "");
  for (const { name, outcome, judge } of judges) {
    if (outcome === null) continue;
    const verdict = judge(current);
    const [equal, all] = agreed.get(name) ?? [0, 0];
    agreed.set(name, [equal + Number("drop" in verdict === (page.outcome === outcome)), all + 1]);
    if ("drop" in verdict) break;
    current = verdict.keep;
  }
}

const texts = pages.slice(0, Number(values.documents)).map(page => document(page.text ?? ""));
const characters = texts.reduce((sum, { text }) => sum + text.length, 0);
const rates = new Map(judges.map(({ name }) => [name, [] as number[]]));
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const { name, judge } of judges) {
    const began = process.cpuUsage();
    for (const item of texts) judge(item);
    const used = process.cpuUsage(began);
    if (round > 0) rates.get(name)!.push((used.user + used.system) / 1e6);
  }
}
console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}; ${texts.length} pages of ${(characters / texts.length).toFixed(0)} characters; medians of ${values.rounds}`,
);
console.log("| stage | docs/CPU-s | MB/CPU-s | decides as datatrove 0.10 |");
console.log("|---|---|---|---|");
let total = 0;
for (const { name } of judges) {
  const seconds = median(rates.get(name)!);
  total += seconds;
  const [equal, all] = agreed.get(name) ?? [0, 0];
  const share = all === 0 ? "–" : `${equal} of ${all}`;
  console.log(
    `| ${name} | ${(texts.length / seconds).toFixed(0)} | ${(characters / seconds / 1e6).toFixed(1)} | ${share} |`,
  );
}
console.log(
  `| all, one after the other | ${(texts.length / total).toFixed(0)} | ${(characters / total / 1e6).toFixed(1)} | |`,
);
