/**
 * The on-disk half of near-deduplication at size: made-up signatures (14 keys of 96 bits a document, every fifth
 * document shares about half of its keys with an earlier one), then the real rounds: band sort and pairs, clusters,
 * removals. Prints for each part CPU seconds, wall seconds and bytes on disk, and the peak memory of the process.
 * Signing is measured by bench/minhash.ts; reading documents is not in it.
 * Run: node dist/bench/dedup-scale.js [--documents 10000000] [--tasks 100] [--memory 512] [--dir DIR].
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { defaults } from "../lib/options.ts";
import { createKeys } from "../pipeline/dedup/band-keys.ts";
import { createFacts } from "../pipeline/dedup/facts.ts";
import { minhash } from "../pipeline/dedup/minhash.ts";
import { readRemovals } from "../pipeline/dedup/removals.ts";
import { keyWords } from "../pipeline/dedup/signature.ts";
import type { Document } from "../pipeline/document.ts";

const { values } = parseArgs({
  options: {
    documents: { type: "string", default: "1000000" },
    tasks: { type: "string", default: "100" },
    memory: { type: "string", default: "512" },
    dir: { type: "string", default: tmpdir() },
  },
});
const [documents, tasks, megabytes] = [values.documents, values.tasks, values.memory].map(Number) as [
  number,
  number,
  number,
];
const perTask = Math.ceil(documents / tasks);
const dir = mkdtempSync(join(values.dir, "curate-scale-"));
const settings = defaults(minhash.options);
const context = { dir, memory: megabytes * 1e6, seed: 1 };
const { buckets } = settings;

/** A well-mixed 32-bit number of two. */
function mix(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x165667b1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

const id = (n: number) => `<urn:uuid:00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}>`;
const document = (n: number): Document => ({
  id: id(n),
  url: null,
  date: "2024-11-01T00:00:00Z",
  text: "",
  page: null,
  meta: {},
  at: { file: "", offset: 0, length: 0 },
});

function fillKeys(n: number, keys: Uint32Array): void {
  const copy = n > 0 && n % 5 === 4;
  const source = copy ? mix(n, 77) % n : n;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const of = copy && mix(n, bucket) % 2 === 0 ? source : n;
    for (let k = 0; k < keyWords; k++) keys[bucket * keyWords + k] = mix(of, bucket * keyWords + k);
  }
}

function bytesOn(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

const rows: string[] = [];
let [allCpu, allWall] = [0, 0];
async function timed(name: string, folder: string | null, work: () => Promise<void>): Promise<void> {
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  await work();
  const used = process.cpuUsage(cpu);
  const [cpuSeconds, wallSeconds] = [(used.user + used.system) / 1e6, (performance.now() - wall) / 1000];
  allCpu += cpuSeconds;
  allWall += wallSeconds;
  const disk = folder === null ? "" : `${(bytesOn(join(dir, folder)) / 1e9).toFixed(2)} GB`;
  rows.push(
    `| ${name} | ${cpuSeconds.toFixed(1)} | ${wallSeconds.toFixed(1)} | ${((cpuSeconds / documents) * 1e6).toFixed(2)} | ${disk} |`,
  );
  console.error(rows[rows.length - 1]);
}

let kept = 0;
try {
  await timed("keys made up, sorted, written", "collected", async () => {
    const keys = new Uint32Array(buckets * keyWords);
    for (let task = 0; task < tasks; task++) {
      const writer = createKeys(dir, task, buckets, context.memory / 4);
      const facts = createFacts(dir, task, false);
      for (let i = 0; i < perTask; i++) {
        const n = task * perTask + i;
        facts.add(document(n), null);
        fillKeys(n, keys);
        writer.add(i, keys);
      }
      writer.commit(perTask);
      facts.commit();
    }
  });
  for (const round of minhash.rounds(settings, tasks))
    await timed(round.name, round.name, async () => {
      for (let job = 0; job < round.jobs; job++) await round.run(job, context);
    });
  await timed("documents judged", null, async () => {
    for (let task = 0; task < tasks; task++) {
      const memberOf = readRemovals(dir, task);
      for (let i = 0; i < perTask; i++)
        if (memberOf(document(task * perTask + i), i)?.isKept !== false) kept++;
    }
  });
} finally {
  rmSync(dir, { recursive: true, force: true });
}
const memory = process.resourceUsage().maxRSS / 1024;
console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}; ${(perTask * tasks).toLocaleString("en-US")} made-up documents in ${tasks} tasks, declared memory ${megabytes} MB`,
);
console.log("| part | CPU s | wall s | CPU µs a document | on disk |");
console.log("|---|---:|---:|---:|---:|");
for (const row of rows) console.log(row);
console.log(
  `| all | ${allCpu.toFixed(1)} | ${allWall.toFixed(1)} | ${((allCpu / documents) * 1e6).toFixed(2)} | |`,
);
console.log(`kept ${kept.toLocaleString("en-US")}; peak memory of the process ${memory.toFixed(0)} MB`);
