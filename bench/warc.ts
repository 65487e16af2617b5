/**
 * WARC reading: raw (decompressed) megabytes per second, every block materialised, against warcio.js and against the
 * floor, which is node:zlib inflating the same members and nothing else.
 * Run: node dist/bench/warc.js [FILES…] [--rounds N]; without files the shared crawl's. Rounds are interleaved, medians
 * are given; CPU seconds are the process's own, which a busy machine changes less than the clock. Each reader runs in
 * a process of its own: what another leaves on the heap halves the rate of zlib, whose buffers make V8 collect.
 */
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { crc32, createGunzip, inflateRawSync } from "node:zlib";
import { AsyncIterReader, WARCParser } from "warcio";
import { defaults } from "../lib/options.ts";
import { packageRoot } from "../lib/package-root.ts";
import { gzipHeaderLength } from "../pipeline/readers/gzip.ts";
import { readRecords } from "../pipeline/readers/records.ts";
import { type SourceSettings, sourceOptions } from "../pipeline/readers/settings.ts";
import { readWarc } from "../pipeline/readers/warc.ts";
import { openFile } from "../pipeline/readers/window.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, reader: { type: "string" } },
});

function sharedCrawl(): string[] {
  const root = join(packageRoot, "..", "shared", "data", "crawl", "crawl-data");
  if (!existsSync(root)) return [];
  const names = readdirSync(root, { recursive: true, encoding: "utf8" });
  return names
    .filter(name => name.endsWith(".warc.gz"))
    .sort()
    .slice(0, 2)
    .map(name => join(root, name));
}

const files = positionals.length > 0 ? positionals : sharedCrawl();
if (files.length === 0) {
  console.error("no files: name some, the shared crawl is absent");
  process.exit(2);
}

type Run = (path: string) => Promise<number> | number;

const settings = defaults(sourceOptions) as SourceSettings;
const magic = Buffer.from([0x1f, 0x8b, 0x08]);

/** With chunks of the sizes that the reader chooses: small ones for requests and metadata, which end within 4 KiB. */
function inflateMembers(path: string, check: boolean): number {
  const bytes = readFileSync(path);
  let at = 0;
  let members = 0;
  while (at < bytes.length) {
    const from = at + gzipHeaderLength(bytes, at)!;
    const { buffer, engine } = inflateRawSync(bytes.subarray(from), {
      info: true,
      chunkSize: bytes.subarray(from, from + 4096).indexOf(magic) > 0 ? 1 << 14 : 1 << 18,
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    at = from + engine.bytesWritten + 8;
    if (check && crc32(buffer) !== bytes.readUInt32LE(at - 8)) throw new Error(`${path}: wrong checksum`);
    members++;
  }
  return members;
}

const runs: Readonly<Record<string, Run>> = {
  "node:zlib, members only (floor)": path => inflateMembers(path, false),
  "node:zlib, members and checksums": path => inflateMembers(path, true),
  "curate, records": async path => {
    let records = 0;
    for await (const event of readRecords(openFile(path), path, { maxBlockBytes: 20_000_000 }))
      if (event.kind === "record") records++;
    return records;
  },
  "curate, pages decoded": async path => {
    let records = 0;
    for await (const _ of readWarc(path, settings)) records++;
    return records;
  },
  "warcio, as documented": async path => {
    let records = 0;
    for await (const record of new WARCParser(createReadStream(path))) {
      await record.readFully(false);
      records++;
    }
    return records;
  },
  "warcio, fed by node:zlib": async path => {
    let records = 0;
    const stream = createReadStream(path).pipe(createGunzip());
    for await (const record of new WARCParser(new AsyncIterReader(stream, null))) {
      await record.readFully(false);
      records++;
    }
    return records;
  },
};

type Measured = { readonly wall: number; readonly cpu: number; readonly records: number };

const passes = 3;

/** One reader over all files, measured once V8 has compiled what it compiles: a file of the crawl is 40 times as long. */
async function measure(run: Run): Promise<Measured> {
  for (let warm = 0; warm < passes; warm++) for (const path of files) await run(path);
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  let records = 0;
  for (let pass = 0; pass < passes; pass++) for (const path of files) records += await run(path);
  const used = process.cpuUsage(cpu);
  return {
    wall: (performance.now() - began) / 1000 / passes,
    cpu: (used.user + used.system) / 1e6 / passes,
    records: records / passes,
  };
}

function inOwnProcess(reader: string): Measured {
  const arguments_ = [fileURLToPath(import.meta.url), "--reader", reader, ...files];
  return JSON.parse(execFileSync(process.execPath, arguments_, { encoding: "utf8" })) as Measured;
}

function rawBytes(path: string): number {
  const bytes = readFileSync(path);
  let at = 0;
  let raw = 0;
  while (at < bytes.length) {
    const from = at + gzipHeaderLength(bytes, at)!;
    const { buffer, engine } = inflateRawSync(bytes.subarray(from), { info: true }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    raw += buffer.length;
    at = from + engine.bytesWritten + 8;
  }
  return raw;
}

function version(name: string): string {
  const path = createRequire(import.meta.url).resolve(name);
  const folder = path.slice(0, path.lastIndexOf(`/node_modules/${name}/`) + `/node_modules/${name}/`.length);
  return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version;
}

function compare(): void {
  const raw = files.reduce((sum, path) => sum + rawBytes(path), 0) / 1e6;
  const stored = files.reduce((sum, path) => sum + readFileSync(path).length, 0) / 1e6;
  const results = new Map<string, Measured[]>(Object.keys(runs).map(name => [name, []]));
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [name, measured] of results) measured.push(inOwnProcess(name));
  const median = (name: string, of: (measured: Measured) => number) =>
    results
      .get(name)!
      .map(of)
      .sort((a, b) => a - b)[Number(values.rounds) >> 1]!;
  console.log(
    `${files.length} files, ${stored.toFixed(1)} MB stored, ${raw.toFixed(1)} MB raw; ${values.rounds} rounds, medians; ` +
      `node ${process.version}, warcio ${version("warcio")}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
  );
  console.log(
    "| reader | records | wall s | CPU s | raw MB/s (wall) | raw MB/CPU-s | against warcio (CPU) |",
  );
  console.log("|---|---|---|---|---|---|---|");
  const base = median("warcio, as documented", ({ cpu }) => cpu);
  for (const [name, measured] of results) {
    const [w, c] = [median(name, ({ wall }) => wall), median(name, ({ cpu }) => cpu)];
    console.log(
      `| ${name} | ${measured[0]!.records} | ${w.toFixed(2)} | ${c.toFixed(2)} | ${(raw / w).toFixed(0)} | ${(raw / c).toFixed(0)} | ${(base / c).toFixed(2)}× |`,
    );
  }
}

if (values.reader === undefined) compare();
else console.log(JSON.stringify(await measure(runs[values.reader]!)));
