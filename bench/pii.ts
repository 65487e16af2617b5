/**
 * Personal data: precision and recall on presidio's labelled texts (a find that overlaps a label counts), against the
 * two patterns of datatrove's formatter; finds in novels and encyclopedia articles, where there are none;
 * and documents per CPU second on real pages.
 * Run: node dist/bench/pii.js [--rounds N]. Needs the shared data. Rounds are interleaved, medians.
 */
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { defaults } from "../lib/options.ts";
import { packageRoot } from "../lib/package-root.ts";
import { findPii, type PiiKind, pii } from "../pipeline/formatters/pii.ts";
import { isPublic4 } from "../pipeline/formatters/pii-ip.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const data = join(packageRoot, "..", "shared", "data");
if (!existsSync(data)) {
  console.error(`${data} is absent`);
  process.exit(2);
}
const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
type Found = { readonly start: number; readonly end: number; readonly kind: PiiKind };

const everything = {
  ...defaults(pii.options),
  phone: true,
  socialSecurity: true,
  creditCard: true,
  iban: true,
};
const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const label = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const theirEmail = new RegExp(`\\b${atom}(?:\\.${atom})*@(?:${label}\\.)+${label}`, "g");
const theirIp = /(?:(?:25[0-5]|2[0-4]\d|[01]?\d\d?)\.){3}(?:25[0-5]|2[0-4]\d|[01]?\d\d?)/g;
const datatrove = (text: string): Found[] => {
  const spans = (pattern: RegExp, kind: PiiKind) =>
    [...text.matchAll(pattern)].map(match => ({
      kind,
      text: match[0],
      start: match.index,
      end: match.index + match[0].length,
    }));
  return [...spans(theirEmail, "email"), ...spans(theirIp, "ip").filter(({ text: ip }) => isPublic4(ip))];
};
const finders: Readonly<Record<string, (text: string) => readonly Found[]>> = {
  curate: text => findPii(text, everything),
  "datatrove's patterns": datatrove,
};

type Labelled = {
  readonly full_text: string;
  readonly spans: readonly { entity_type: string; start_position: number; end_position: number }[];
};
const items = JSON.parse(
  readFileSync(join(data, "pii/presidio-research/data/synth_dataset_v2.json"), "utf8"),
) as Labelled[];
const kinds: readonly (readonly [PiiKind, string])[] = [
  ["email", "EMAIL_ADDRESS"],
  ["ip", "IP_ADDRESS"],
  ["iban", "IBAN_CODE"],
  ["ssn", "US_SSN"],
  ["card", "CREDIT_CARD"],
  ["phone", "PHONE_NUMBER"],
];
console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`);
console.log("| kind | labelled | finder | precision | recall |");
console.log("|---|---|---|---|---|");
for (const [kind, name] of kinds) {
  for (const [finder, find] of Object.entries(finders)) {
    let [right, found, there, caught] = [0, 0, 0, 0];
    for (const { full_text, spans } of items) {
      const units = [0];
      for (const character of full_text) units.push(units[units.length - 1]! + character.length);
      const gold = spans
        .filter(span => span.entity_type === name)
        .map(span => ({ start: units[span.start_position]!, end: units[span.end_position]! }));
      const mine = find(full_text).filter(item => item.kind === kind);
      const overlap = (x: { start: number; end: number }, y: { start: number; end: number }) =>
        x.start < y.end && y.start < x.end;
      found += mine.length;
      there += gold.length;
      right += mine.filter(item => gold.some(span => overlap(item, span))).length;
      caught += gold.filter(span => mine.some(item => overlap(item, span))).length;
    }
    if (found > 0)
      console.log(
        `| ${kind} | ${there} | ${finder} | ${(right / found).toFixed(3)} | ${(caught / there).toFixed(3)} |`,
      );
  }
}

const ordinary: Readonly<Record<string, string>> = {
  "50 English novels": gunzipSync(readFileSync(join(data, "text/english_novels_50.txt.gz"))).toString("utf8"),
  "Wikipedia articles": readFileSync(join(data, "text/wikitext-2/test.txt"), "utf8"),
};
console.log("| text without personal data | M characters | finder | finds |");
console.log("|---|---|---|---|");
for (const [name, text] of Object.entries(ordinary))
  for (const [finder, find] of Object.entries(finders)) {
    const counts = new Map<PiiKind, number>();
    for (const { kind } of find(text)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const finds = [...counts].map(([kind, count]) => `${kind} ${count}`).join(", ") || "none";
    console.log(`| ${name} | ${(text.length / 1e6).toFixed(1)} | ${finder} | ${finds} |`);
  }

const texts = gunzipSync(readFileSync(join(data, "oracle/datatrove.jsonl.gz")))
  .toString("utf8")
  .trim()
  .split("\n")
  .map(line => (JSON.parse(line) as { text?: string }).text ?? "")
  .filter(text => text !== "")
  .slice(0, 1000);
const settings = defaults(pii.options);
const speed: Readonly<Record<string, (text: string) => unknown>> = {
  "curate, email and public addresses": text => findPii(text, settings),
  "curate, all kinds": text => findPii(text, everything),
  "datatrove's patterns in this engine": datatrove,
};
const times = new Map(Object.keys(speed).map(name => [name, [] as number[]]));
for (let round = 0; round <= Number(values.rounds); round++)
  for (const [name, find] of Object.entries(speed)) {
    const began = process.cpuUsage();
    for (const text of texts) find(text);
    const used = process.cpuUsage(began);
    if (round > 0) times.get(name)!.push((used.user + used.system) / 1e6);
  }
const characters = texts.reduce((sum, text) => sum + text.length, 0);
console.log(
  `${texts.length} pages of ${(characters / texts.length).toFixed(0)} characters; medians of ${values.rounds}`,
);
console.log("| finder | docs/CPU-s | MB/CPU-s |");
console.log("|---|---|---|");
for (const [name, seconds] of times)
  console.log(
    `| ${name} | ${(texts.length / median(seconds)).toFixed(0)} | ${(characters / median(seconds) / 1e6).toFixed(0)} |`,
  );
