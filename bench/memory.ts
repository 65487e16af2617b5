/**
 * Peak memory of every group of stages over 1, 10 and 100 times the input, with one worker and the smallest `memory:`
 * a recipe may ask for. The input is the fixtures' pages, copied with changed ids, addresses and words, so that no copy
 * is another's duplicate and the number of different words grows too; both the number of files and their size grow.
 * Peak memory is VmHWM of a process that does one group of stages, polled until it ends. Linux only.
 * Run: node dist/bench/memory.js [--times 1,10,100] [--pages N]
 */
import { spawn } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { defaults } from "../lib/options.ts";
import { builtRoot } from "../lib/package-root.ts";
import { hash32 } from "../lib/random.ts";
import { openInput, sourceOptions } from "../pipeline/readers/input.ts";
import { fixtureFiles } from "./faults/project.ts";

const { values } = parseArgs({
  options: { times: { type: "string", default: "1,10,100" }, pages: { type: "string", default: "120" } },
});

const groups = ["gopher-quality", "exact-dedup", "minhash", "line-dedup", "tokenizer", "shards", "train"];
const recipe = `name: memory
memory: 64MB
source: { warc: ["crawl/*.warc.gz"] }
stages:
  - url-filter
  - extract
  - language
  - gopher-repetition
  - gopher-quality
  - exact-dedup
  - minhash
  - line-dedup
  - pii
  - tokenizer: { vocabSize: 2048, pattern: gpt2 }
  - shards: { tokensPerShard: 1000000 }
  - train: { layers: 1, heads: 2, width: 32, context: 64, batchTokens: 1024, steps: 10, evalEvery: 10, evalTokens: 1024, sampleEvery: 10, checkpointEvery: 10, device: cpu, threads: 1 }
`;

/** HTML of the fixtures' English pages that pass as documents. */
async function pages(count: number): Promise<string[]> {
  const found: string[] = [];
  for (const path of fixtureFiles()) {
    for await (const event of openInput(path, path, defaults(sourceOptions))) {
      if (event.kind !== "document" || !event.document.page) continue;
      const html = Buffer.from(event.document.page.body).toString("utf8");
      if (/<html[^>]*lang="?en/.test(html)) found.push(html);
      if (found.length === count) return found;
    }
  }
  return found;
}

/** A copy's own words: every sixth long word of the text gets letters that no other copy has. */
function reworded(html: string, copy: number): string {
  if (copy === 0) return html;
  const suffix = copy
    .toString(26)
    .replace(/[0-9a-p]/g, c => String.fromCharCode(97 + Number.parseInt(c, 26)));
  return html.replace(/>[^<]+</g, text =>
    text.replace(/[A-Za-z]{5,}/g, word => (hash32(copy, word) % 6 === 0 ? word + suffix : word)),
  );
}

function record(id: number, html: string): Buffer {
  const body = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${html}`);
  const head = `WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-${String(id).padStart(12, "0")}>\r\nWARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Target-URI: https://site-${id % 997}.example/page/${id}\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: ${body.length}\r\n\r\n`;
  return gzipSync(Buffer.concat([Buffer.from(head), body, Buffer.from("\r\n\r\n")]), { level: 1 });
}

function writeCrawl(dir: string, base: readonly string[], times: number): void {
  mkdirSync(join(dir, "crawl"), { recursive: true });
  const files = Math.ceil(Math.sqrt(times));
  for (let file = 0; file < files; file++) {
    const fd = openSync(join(dir, "crawl", `${String(file).padStart(3, "0")}.warc.gz`), "w");
    for (let copy = file; copy < times; copy += files)
      for (const [i, html] of base.entries())
        writeSync(fd, record(copy * base.length + i, reworded(html, copy)));
    closeSync(fd);
  }
  writeFileSync(join(dir, "stages.yaml"), recipe);
}

type Peak = { readonly megabytes: number; readonly cpuSeconds: number };

/** Runs up to a stage and gives the highest memory the process had. */
function peakOf(dir: string, until: string): Promise<Peak> {
  const main = join(builtRoot, "cli", "main.js");
  const args = [main, "run", "--workdir", "out", "--workers", "1", "--until", until];
  const child = spawn(process.execPath, args, { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
  let [stderr, high, ticks] = ["", 0, 0];
  child.stderr!.setEncoding("utf8").on("data", text => (stderr += text));
  const poll = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      high = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? high);
      const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
      ticks = Number(stat[11]) + Number(stat[12]);
    } catch {
      // It has ended.
    }
  }, 10);
  return new Promise((resolve, reject) =>
    child.on("close", code => {
      clearInterval(poll);
      if (code !== 0) reject(new Error(stderr));
      else resolve({ megabytes: high / 1000, cpuSeconds: ticks / 100 });
    }),
  );
}

const base = await pages(Number(values.pages));
const times = values.times.split(",").map(Number);
const rows = new Map<string, Peak[]>(groups.map(group => [group, []]));
const documents: string[] = [];
for (const factor of times) {
  const dir = mkdtempSync(join(tmpdir(), "curate-memory-"));
  try {
    writeCrawl(dir, base, factor);
    for (const group of groups) rows.get(group)!.push(await peakOf(dir, group));
    const { stages } = JSON.parse(readFileSync(join(dir, "out", "stats.json"), "utf8")) as {
      stages: { name: string; in: number; out: number; bytesOut: number }[];
    };
    const kept = stages.find(({ name }) => name === "pii")!;
    documents.push(
      `${factor}×: ${stages[0]!.in} pages, ${kept.out} kept, ${(kept.bytesOut / 1e6).toFixed(1)} MB of text`,
    );
    console.error(documents.at(-1));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
console.log(
  `Node ${process.version}, ${cpus()[0]?.model.trim()}; memory: 64MB, one worker; ${documents.join("; ")}`,
);
console.log(`| up to and with the stage | ${times.map(factor => `${factor}×, MB`).join(" | ")} | growth |`);
console.log(`|---|${times.map(() => "---:|").join("")}---:|`);
for (const [group, peaks] of rows) {
  const growth = peaks.at(-1)!.megabytes / peaks[0]!.megabytes;
  console.log(
    `| ${group} | ${peaks.map(({ megabytes }) => megabytes.toFixed(0)).join(" | ")} | ${growth.toFixed(2)} |`,
  );
}
console.log(
  `CPU seconds: ${times.map((factor, i) => `${factor}×: ${[...rows.values()].reduce((sum, peaks) => sum + peaks[i]!.cpuSeconds, 0).toFixed(0)}`).join(", ")}`,
);
