/**
 * Charsets: how often the text comes out right, on reference texts that say nothing of themselves and on real pages
 * with what their servers and authors say; beside jschardet alone. Speed in megabytes of page per CPU second.
 *
 *   node dist/bench/charset.js [--pages N]
 *
 * A text is right when the charset found decodes it to the same characters as the true one does. Texts in encodings
 * that the web's standard does not have are counted apart: no browser decodes them. Needs the shared data.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { normalizeEncoding, TextDecoder } from "@exodus/bytes/encoding.js";
import jschardet from "jschardet";
import { packageRoot } from "../lib/package-root.ts";
import { decodeHtml } from "../pipeline/decoding/charset.ts";
import { parseResponse } from "../pipeline/readers/http.ts";

const { values: flags } = parseArgs({ options: { pages: { type: "string", default: "2842" } } });
const data = join(packageRoot, "..", "shared", "data");
if (!existsSync(data)) {
  console.error(`${data} is absent`);
  process.exit(2);
}

type Sample = {
  readonly name: string;
  readonly bytes: Buffer;
  readonly type: string | null;
  readonly truth: string;
};

const otherNames: Readonly<Record<string, string>> = {
  maccyrillic: "x-mac-cyrillic",
  ascii: "utf-8",
  uhc: "euc-kr",
};

/** The reference texts of uchardet, named by their charset. */
function references(): { readonly known: Sample[]; readonly foreign: number } {
  const root = join(data, "charset", "uchardet", "test");
  const known: Sample[] = [];
  let foreign = 0;
  for (const language of readdirSync(root).sort()) {
    for (const file of readdirSync(join(root, language)).sort()) {
      const name = file.replace(/\.(?:txt|smi|html)$/, "").replace(/^utf-16\./, "utf-16");
      if (!/^[a-z]/.test(name)) continue;
      const truth = normalizeEncoding(otherNames[name] ?? name);
      if (truth === null || truth === "replacement") foreign++;
      else
        known.push({
          name: `${language}/${name}`,
          bytes: readFileSync(join(root, language, file)),
          type: null,
          truth,
        });
    }
  }
  return { known, foreign };
}

/** Pages of the shared crawl, with the Content-Type of their answer or without it. */
function* crawlPages(withHeader: boolean): Generator<Sample> {
  type Line = { url: string; filename: string; offset: number; length: number; codec: string };
  const lines = gunzipSync(readFileSync(join(data, "crawl", "pages.jsonl.gz")))
    .toString("utf8")
    .trim()
    .split("\n");
  const files = new Map<string, Buffer>();
  for (const line of lines.slice(0, Number(flags.pages))) {
    const { url, filename, offset, length, codec } = JSON.parse(line) as Line;
    const truth = normalizeEncoding(codec);
    if (truth === null) continue;
    const file = files.get(filename) ?? readFileSync(join(data, "crawl", filename));
    files.set(filename, file);
    const record = gunzipSync(file.subarray(offset, offset + length));
    const { body, fields } = parseResponse(
      record.subarray(record.indexOf("\r\n\r\n") + 4, record.length - 4),
    );
    yield {
      name: url,
      bytes: Buffer.from(body),
      type: withHeader ? (fields.get("content-type") ?? null) : null,
      truth,
    };
  }
}

const decoded = (bytes: Buffer, charset: string): string =>
  new TextDecoder(charset).decode(bytes).toWellFormed();

type Rate = { right: number; all: number; wrong: string[]; bytes: number; seconds: number };

function rate(samples: Iterable<Sample>, read: (sample: Sample) => string): Rate {
  const result: Rate = { right: 0, all: 0, wrong: [], bytes: 0, seconds: 0 };
  for (const sample of samples) {
    const began = process.cpuUsage();
    const text = read(sample);
    const { user, system } = process.cpuUsage(began);
    result.seconds += (user + system) / 1e6;
    result.bytes += sample.bytes.length;
    result.all++;
    if (text === decoded(sample.bytes, sample.truth)) result.right++;
    else result.wrong.push(sample.name);
  }
  return result;
}

const ours = ({ bytes, type }: Sample): string => decodeHtml(bytes, type).text;
const alone = ({ bytes }: Sample): string => {
  const label = normalizeEncoding(jschardet.detect(bytes).encoding ?? "windows-1252") ?? "windows-1252";
  return decoded(bytes, label);
};

const { known, foreign } = references();
const version = (
  JSON.parse(readFileSync(join(packageRoot, "node_modules/jschardet/package.json"), "utf8")) as {
    version: string;
  }
).version;
console.log(
  `jschardet ${version}, Node ${process.version}, ${cpus()[0]?.model ?? "?"}; ${foreign} reference texts are in encodings that browsers do not have`,
);
console.log("| texts | curate | jschardet alone | curate MB / CPU s | jschardet MB / CPU s |");
console.log("|---|---:|---:|---:|---:|");
for (const [name, samples] of [
  ["reference texts without a label", () => known],
  ["real pages, header and meta as served", () => crawlPages(true)],
  ["real pages, header taken away", () => crawlPages(false)],
] as const) {
  const [a, b] = [rate(samples(), ours), rate(samples(), alone)];
  const speed = ({ bytes, seconds }: Rate): string => (bytes / 1e6 / seconds).toFixed(0);
  console.log(`| ${name} | ${a.right} of ${a.all} | ${b.right} of ${b.all} | ${speed(a)} | ${speed(b)} |`);
  if (a.wrong.length > 0 && a.wrong.length < 20) console.error(`not right: ${a.wrong.join(", ")}`);
}
