/**
 * Fetching from a host on this machine: whole files and records through the index, through our client with its limiter,
 * checks and flush to disk, beside Node's own fetch() written to a file. The host runs in a process of its own. CPU
 * seconds are of this process; runs are interleaved and medians given.
 *
 *   node dist/bench/fetch.js [--megabytes 200] [--runs 5]
 */
import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { openClient } from "../pipeline/fetch/client.ts";
import { download } from "../pipeline/fetch/download.ts";
import { fetchRange } from "../pipeline/fetch/range.ts";

const { values } = parseArgs({
  options: { megabytes: { type: "string", default: "200" }, runs: { type: "string", default: "5" } },
});
const size = Number(values.megabytes) * 1e6;
const recordBytes = 20_000;
const records = 1000;

/** Answers any path with bytes that begin as gzip does, in ranges where asked. */
const hostScript = `
const { createServer } = require("node:http");
const size = ${size};
const data = Buffer.alloc(1 << 20, 7);
createServer((request, response) => {
  const range = /^bytes=(\\d+)-(\\d*)$/.exec(request.headers.range ?? "");
  const from = range ? Number(range[1]) : 0;
  const to = range && range[2] ? Number(range[2]) + 1 : size;
  response.writeHead(range ? 206 : 200, { etag: '"1"', "content-length": to - from, ...(range ? { "content-range": "bytes " + from + "-" + (to - 1) + "/" + size } : {}) });
  let at = from;
  const more = () => {
    while (at < to) {
      const piece = Buffer.from(data.subarray(0, Math.min(data.length, to - at)));
      if (at === 0) piece.set([0x1f, 0x8b]);
      at += piece.length;
      if (!response.write(piece)) return response.once("drain", more);
    }
    response.end();
  };
  more();
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });
`;
const host = spawn(process.execPath, ["-e", hostScript], { stdio: ["ignore", "pipe", "inherit"] });
const port = await new Promise<string>(resolve =>
  host.stdout.once("data", data => resolve(String(data).trim())),
);
const base = `http://127.0.0.1:${port}`;
const dir = mkdtempSync(join(tmpdir(), "curate-bench-fetch-"));

type Measured = { readonly wall: number; readonly cpu: number };

async function measure(act: () => Promise<unknown>): Promise<Measured> {
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  await act();
  const used = process.cpuUsage(cpu);
  return { wall: (performance.now() - wall) / 1000, cpu: (used.user + used.system) / 1e6 };
}

let made = 0;
const client = openClient({ concurrent: 2, retries: 3, seed: 1, version: "bench", contact: "" });
const contenders: Readonly<Record<string, () => Promise<unknown>>> = {
  "whole file, curate": async () => {
    const path = join(dir, `f${made++}.warc.gz`);
    await download(client, { url: `${base}/f`, path, listed: { bytes: size, fingerprint: `"1" ${size}` } });
    rmSync(path);
  },
  "whole file, fetch()": async () => {
    const path = join(dir, `f${made++}`);
    const { body } = await fetch(`${base}/f`);
    await pipeline(Readable.fromWeb(body as never), createWriteStream(path));
    rmSync(path);
  },
  "1,000 records, curate": async () => {
    for (let i = 0; i < records; i++)
      await fetchRange(client, `${base}/f`, i * recordBytes, (i + 1) * recordBytes);
  },
  "1,000 records, fetch()": async () => {
    for (let i = 0; i < records; i++) {
      const range = `bytes=${i * recordBytes}-${(i + 1) * recordBytes - 1}`;
      await (await fetch(`${base}/f`, { headers: { range } })).arrayBuffer();
    }
  },
};

const results = new Map<string, Measured[]>(Object.keys(contenders).map(name => [name, []]));
for (let run = 0; run < Number(values.runs); run++)
  for (const [name, act] of Object.entries(contenders)) results.get(name)!.push(await measure(act));
const median = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)]!;
for (const [name, list] of results) {
  const [wall, cpu] = [median(list.map(run => run.wall)), median(list.map(run => run.cpu))];
  const bytes = name.startsWith("whole") ? size : records * recordBytes;
  const per = name.startsWith("whole") ? "" : `  ${Math.round(records / wall)} records/s`;
  console.log(
    `${name.padEnd(24)} ${(bytes / 1e6 / wall).toFixed(0).padStart(5)} MB/s  ${((cpu / bytes) * 1e9).toFixed(2)} CPU s/GB${per}`,
  );
}
const undici = (createRequire(import.meta.url)("undici/package.json") as { version: string }).version;
console.log(
  `Node ${process.version}, undici ${undici}, ${values.runs} interleaved runs, medians, host on 127.0.0.1`,
);
await client.close();
host.kill();
rmSync(dir, { recursive: true, force: true });
