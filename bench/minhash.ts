/**
 * MinHash: signatures per CPU second on real extracted pages in each mode, against the definition written out in plain
 * JavaScript in the same run (node:crypto for SHA-1, BigInt for the arithmetic), and the whole deduplication on disk with
 * the memory it took. Other programs' rates, measured elsewhere on pages of this length: datatrove about
 * 143 documents a second, the Rust fastdedup about 1,200, npm minhash 114.
 * Run: node dist/bench/minhash.js [--rounds N] [--documents N] [--synthetic N]. Needs the shared data but for
 * --synthetic, which deduplicates that many made-up documents, a third of them copies, within 512 MB, and --pairs, which
 * makes up that many pairs of each similarity and counts how many are caught.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { defaults } from "../lib/options.ts";
import { packageRoot } from "../lib/package-root.ts";
import { hash32 } from "../lib/random.ts";
import { hasRelaxedSimd } from "../lib/relaxed-simd.ts";
import { minhash } from "../pipeline/dedup/minhash.ts";
import { normalisations, normaliseTokens, tokenisations } from "../pipeline/dedup/normalise.ts";
import { mersenne61, permutations } from "../pipeline/dedup/permutations.ts";
import { createSigner, keyWords, type SignatureOptions } from "../pipeline/dedup/signature.ts";
import type { Document } from "../pipeline/document.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    documents: { type: "string", default: "400" },
    synthetic: { type: "string", default: "0" },
    pairs: { type: "string", default: "0" },
  },
});
const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
const cpuSeconds = (work: () => void): number => {
  const began = process.cpuUsage();
  work();
  const used = process.cpuUsage(began);
  return (used.user + used.system) / 1e6;
};
const document = (id: string, text: string): Document => ({
  id,
  url: null,
  date: "",
  text,
  page: null,
  meta: {},
  at: { file: "", offset: 0, length: 0 },
});
console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${hasRelaxedSimd() ? "with" : "without"} relaxed SIMD`,
);

/** Deduplicates, and prints how fast and with how much memory. */
async function deduplicate(
  label: string,
  tasks: number,
  perTask: number,
  make: (n: number) => Document,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "curate-bench-"));
  const settings = defaults(minhash.options);
  const context = { dir, memory: 512e6, seed: 1 };
  const began = process.cpuUsage();
  const times: [string, number][] = [];
  const timed = async (name: string, work: () => Promise<void>) => {
    const before = process.cpuUsage();
    await work();
    const used = process.cpuUsage(before);
    times.push([name, (used.user + used.system) / 1e6]);
  };
  let kept = 0;
  try {
    await timed("collect", async () => {
      for (let task = 0; task < tasks; task++) {
        const collector = await minhash.collect(settings, { ...context, task });
        for (let i = 0; i < perTask; i++) collector.add(make(task * perTask + i), i);
        await collector.finish();
      }
    });
    for (const round of minhash.rounds(settings, tasks))
      await timed(round.name, async () => {
        for (let job = 0; job < round.jobs; job++) await round.run(job, context);
      });
    await timed("apply", async () => {
      for (let task = 0; task < tasks; task++) {
        const judge = await minhash.apply(settings, { ...context, task });
        for (let i = 0; i < perTask; i++) if ("keep" in judge(make(task * perTask + i), i).verdict) kept++;
      }
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  const used = process.cpuUsage(began);
  const seconds = (used.user + used.system) / 1e6;
  const all = tasks * perTask;
  console.log(
    `${label}: ${all} documents, ${kept} kept, ${(all / seconds).toFixed(0)} docs/CPU-s from end to end, peak memory of the process ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`,
  );
  console.log(`  CPU seconds: ${times.map(([name, time]) => `${name} ${time.toFixed(1)}`).join(", ")}`);
}

/** How many pairs that share a part of their 5-grams lose one, beside 1 − (1 − s^8)^14. */
async function catchRates(pairs: number): Promise<void> {
  console.log(`${pairs} pairs of each similarity, texts of 204 words, 14 × 8 hashes`);
  console.log("| similarity | caught | theory | standard error |");
  console.log("|---|---:|---:|---:|");
  for (const similarity of [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9]) {
    const dir = mkdtempSync(join(tmpdir(), "curate-bench-"));
    const context = { dir, memory: 512e6, seed: 1 };
    const settings = defaults(minhash.options);
    const shared = Math.round((400 * similarity) / (1 + similarity));
    const made: Document[] = [];
    for (let i = 0; i < pairs; i++) {
      const words = Array.from({ length: 404 - shared }, (_, k) =>
        hash32(i, `${similarity} ${k}`).toString(36),
      );
      made.push(document(`${i}-a`, words.slice(0, 204).join(" ")));
      made.push(document(`${i}-b`, words.slice(200 - shared).join(" ")));
    }
    const collector = await minhash.collect(settings, { ...context, task: 0 });
    made.forEach((item, i) => {
      collector.add(item, i);
    });
    await collector.finish();
    for (const round of minhash.rounds(settings, 1))
      for (let job = 0; job < round.jobs; job++) await round.run(job, context);
    const judge = await minhash.apply(settings, { ...context, task: 0 });
    const caught = made.filter((item, i) => "drop" in judge(item, i).verdict).length / pairs;
    const s = shared / (400 - shared);
    const theory = 1 - (1 - s ** 8) ** 14;
    const error = Math.sqrt((theory * (1 - theory)) / pairs);
    console.log(
      `| ${similarity} | ${(caught * 100).toFixed(1)} % | ${(theory * 100).toFixed(1)} % | ${(error * 100).toFixed(1)} % |`,
    );
    rmSync(dir, { recursive: true, force: true });
  }
}

if (Number(values.pairs) > 0) {
  await catchRates(Number(values.pairs));
  process.exit(0);
}
if (Number(values.synthetic) > 0) {
  const n = Number(values.synthetic);
  // Two of three documents are originals; every third copies the one before it.
  const make = (i: number): Document => {
    const source = i % 3 === 2 ? i - 1 : i;
    const words = Array.from({ length: 60 }, (_, k) => hash32(source, String(k)).toString(36));
    return document(`doc-${String(i).padStart(9, "0")}`, words.join(" "));
  };
  await deduplicate("made-up documents of 60 words", 20, Math.ceil(n / 20), make);
  process.exit(0);
}

const path = join(packageRoot, "..", "shared", "data", "oracle", "datatrove.jsonl.gz");
if (!existsSync(path)) {
  console.error(`${path} is absent`);
  process.exit(2);
}
const all = gunzipSync(readFileSync(path))
  .toString("utf8")
  .trim()
  .split("\n")
  .map(line => JSON.parse(line) as { id: string; outcome: string; text?: string; text_c4?: string })
  .filter(({ outcome }) => outcome === "to_dedup")
  .map(({ id, text, text_c4 }) => document(id, text_c4 ?? text ?? ""));
const texts = all.slice(0, Number(values.documents)).map(({ text }) => text);
const mean = texts.reduce((sum, text) => sum + text.length, 0) / texts.length;
const released: SignatureOptions = {
  ngram: 5,
  buckets: 14,
  rows: 8,
  seed: 1,
  hash: "sha1",
  normalisation: "fineweb@2024-04",
  tokens: "whitespace",
};

const { a, b } = permutations(112, 1);
function plain(text: string): bigint[] {
  const tokens = normaliseTokens(text, "fineweb@2024-04", "whitespace").split(" ").filter(Boolean);
  const minima = a.map(() => mersenne61);
  for (let i = 0; i + 5 <= tokens.length; i++) {
    const shingle = createHash("sha1")
      .update(tokens.slice(i, i + 5).join(" "))
      .digest()
      .readBigUInt64LE(0);
    for (let k = 0; k < minima.length; k++) {
      const value = BigInt.asUintN(64, shingle * a[k]! + b[k]!) % mersenne61;
      if (value < minima[k]!) minima[k] = value;
    }
  }
  return minima;
}

const keys = new Uint32Array(14 * keyWords);
const runs: { name: string; texts: readonly string[]; work: (text: string) => void; seconds: number[] }[] =
  [];
for (const hash of ["sha1", "xxhash64"] as const)
  for (const normalisation of normalisations)
    for (const tokens of tokenisations) {
      const signer = createSigner({ ...released, hash, normalisation, tokens });
      const work = (text: string) => {
        if (signer.sign(text) > 0) signer.keys(keys);
      };
      runs.push({ name: `${hash}, ${normalisation}, ${tokens}`, texts, work, seconds: [] });
    }
runs.push({
  name: "the definition in plain JavaScript, sha1",
  texts: texts.slice(0, 5),
  work: plain,
  seconds: [],
});
for (let round = 0; round <= Number(values.rounds); round++)
  for (const run of runs) {
    // Once unmeasured: what the mode before left to the garbage collector is not this one's work.
    run.texts.forEach(run.work);
    const seconds = cpuSeconds(() => run.texts.forEach(run.work));
    if (round > 0) run.seconds.push(seconds / run.texts.length);
  }
const slowest = median(runs[runs.length - 1]!.seconds);
console.log(
  `${texts.length} pages of ${mean.toFixed(0)} characters, 14 × 8 hashes; medians of ${values.rounds}`,
);
console.log("| signature | docs/CPU-s | per second for 6,300 characters | against plain JavaScript |");
console.log("|---|---|---|---|");
for (const { name, seconds } of runs) {
  const time = median(seconds);
  console.log(
    `| ${name} | ${(1 / time).toFixed(0)} | ${(mean / time / 6300).toFixed(0)} | ${(slowest / time).toFixed(0)}× |`,
  );
}
await deduplicate("real pages", 2, Math.floor(all.length / 2), i => all[i]!);
