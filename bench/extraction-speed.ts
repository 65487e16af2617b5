/**
 * Speed and memory from WARC bytes to extracted text: pages per CPU second of one core, CPU time of the middle, the
 * slow and the worst page, peak memory; beside it what people use in JavaScript today.
 *
 *   node dist/bench/extraction-speed.js [--pages N] [--rounds N] [--only ENGINE] [--rivals FOLDER]
 *
 * Every engine reads the same pages with our reader and charset detection, in a process of its own, because garbage
 * of one engine is collected on the account of the next; the rounds are interleaved and the median counts. `--rivals`
 * names a folder with jsdom and cheerio in its node_modules; what is absent is left out with the reason. The libraries
 * get no guard here: it is their own time. Needs the shared crawl.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { defaults } from "../lib/options.ts";
import { packageRoot } from "../lib/package-root.ts";
import { decodeHtml } from "../pipeline/decoding/charset.ts";
import type { Document } from "../pipeline/document.ts";
import { defaultLimits } from "../pipeline/extractors/extraction.ts";
import { fullText } from "../pipeline/extractors/full-text.ts";
import { mainContent } from "../pipeline/extractors/main-content.ts";
import { type SourceSettings, sourceOptions } from "../pipeline/readers/settings.ts";
import { readWarc } from "../pipeline/readers/warc.ts";

const { values: flags } = parseArgs({
  options: {
    pages: { type: "string", default: "300" },
    rounds: { type: "string", default: "3" },
    rivals: { type: "string" },
    only: { type: "string" },
    engine: { type: "string" },
  },
});

const crawl = join(packageRoot, "..", "shared", "data", "crawl", "crawl-data");
if (!existsSync(crawl)) {
  console.error(`${crawl} is absent`);
  process.exit(2);
}
const files = readdirSync(crawl, { recursive: true, encoding: "utf8" })
  .filter(name => name.endsWith(".warc.gz"))
  .sort()
  .map(name => join(crawl, name));

/** Of the crawl's 2,842 pages every so manieth is taken. */
const every = Math.max(1, Math.floor(2842 / Number(flags.pages)));

type Extract = (html: string, url: string | null) => string;
type Rival = { readonly packages: readonly string[]; open(require: NodeJS.Require): Extract };

const limits = { comments: true, tables: true, limits: defaultLimits };

/** The parts of the libraries' interfaces that are called here. */
type Reader = new (document: unknown) => { parse(): { textContent?: string } | null };
type Linkedom = { parseHTML(html: string): { document: unknown } };
type Jsdom = {
  JSDOM: new (html: string, options: object) => { window: { document: unknown; close(): void } };
  VirtualConsole: new () => object;
};
type Selection = { remove(): void; text(): string };
type Cheerio = { load(html: string): (selector: string) => Selection };

const engines: Readonly<Record<string, Rival>> = {
  "main-content": { packages: [], open: () => (html, url) => mainContent(html, url, limits).text },
  "full-text": { packages: [], open: () => (html, url) => fullText(html, url, limits).text },
  "Readability on linkedom": {
    packages: ["@mozilla/readability", "linkedom"],
    open(require) {
      const { parseHTML } = require("linkedom") as Linkedom;
      const { Readability } = require("@mozilla/readability") as { Readability: Reader };
      return html => new Readability(parseHTML(html).document).parse()?.textContent ?? "";
    },
  },
  "Readability on jsdom": {
    packages: ["@mozilla/readability", "jsdom"],
    open(require) {
      const { JSDOM, VirtualConsole } = require("jsdom") as Jsdom;
      const { Readability } = require("@mozilla/readability") as { Readability: Reader };
      return html => {
        const { window } = new JSDOM(html, { virtualConsole: new VirtualConsole() });
        const text = new Readability(window.document).parse()?.textContent ?? "";
        window.close();
        return text;
      };
    },
  },
  "cheerio, all text": {
    packages: ["cheerio"],
    open(require) {
      const { load } = require("cheerio") as Cheerio;
      return html => {
        const $ = load(html);
        $("script,style,noscript,template").remove();
        return $("body").text();
      };
    },
  },
};

/** Resolves from this package first, then from the folder of rivals. */
const own = createRequire(import.meta.url);
const theirs = flags.rivals === undefined ? null : createRequire(resolve(flags.rivals, "package.json"));
const anywhere = ((name: string): unknown => {
  try {
    return own(name);
  } catch (error) {
    if (theirs === null || (error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    return theirs(name);
  }
}) as NodeJS.Require;

/** The version of a package, or null where it is not installed. */
function versionOf(name: string): string | null {
  for (const root of [packageRoot, ...(flags.rivals === undefined ? [] : [resolve(flags.rivals)])]) {
    const path = join(root, "node_modules", name, "package.json");
    if (existsSync(path)) return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
  }
  return null;
}

type Measured = {
  readonly pages: number;
  readonly chars: number;
  readonly failures: number;
  /** CPU seconds from the first byte to the last text, and those within charset detection and extraction. */
  readonly cpu: number;
  readonly extraction: number;
  /** CPU milliseconds a page, sorted. */
  readonly each: readonly number[];
  /** Peak resident memory of the process, MB. */
  readonly memory: number;
};

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

async function* pages(): AsyncGenerator<Document> {
  const settings = defaults(sourceOptions) as SourceSettings;
  let index = 0;
  for (const path of files)
    for await (const event of readWarc(path, settings))
      if (event.kind === "document" && index++ % every === 0) yield event.document;
}

/** At least so many pages and so many CPU seconds come before what is measured: compiling is the start's cost, not a page's. */
const WARM_PAGES = 60;
const WARM_SECONDS = 4;

async function warmUp(one: (document: Document) => void): Promise<void> {
  const began = cpuSeconds();
  let count = 0;
  while (count < WARM_PAGES || cpuSeconds() - began < WARM_SECONDS)
    for await (const document of pages()) {
      one(document);
      if (++count >= WARM_PAGES && cpuSeconds() - began >= WARM_SECONDS) return;
    }
}

async function measure(extract: Extract): Promise<Measured> {
  const each: number[] = [];
  let chars = 0;
  let failures = 0;
  const one = (document: Document): void => {
    const { page, url } = document;
    if (page === null) return;
    const began = cpuSeconds();
    try {
      chars += extract(decodeHtml(page.body, page.headers.get("content-type") ?? null).text, url).length;
    } catch {
      failures++;
    }
    each.push((cpuSeconds() - began) * 1000);
  };
  await warmUp(one);
  each.length = chars = failures = 0;
  const began = cpuSeconds();
  for await (const document of pages()) one(document);
  const cpu = cpuSeconds() - began;
  each.sort((a, b) => a - b);
  return {
    pages: each.length,
    chars,
    failures,
    cpu,
    extraction: each.reduce((sum, ms) => sum + ms, 0) / 1000,
    each,
    memory: process.resourceUsage().maxRSS / 1000,
  };
}

function inOwnProcess(engine: string): Measured {
  const rivals = flags.rivals === undefined ? [] : ["--rivals", flags.rivals];
  const args = [fileURLToPath(import.meta.url), "--engine", engine, "--pages", flags.pages, ...rivals];
  return JSON.parse(
    execFileSync(process.execPath, args, { encoding: "utf8", maxBuffer: 1 << 28 }),
  ) as Measured;
}

function compare(): void {
  const rounds = Number(flags.rounds);
  const present = Object.entries(engines).filter(([name, { packages }]) => {
    if (flags.only !== undefined && name !== flags.only) return false;
    const absent = packages.filter(one => versionOf(one) === null);
    if (absent.length > 0)
      console.log(`${name} is left out: ${absent.join(" and ")} not found, see --rivals`);
    return absent.length === 0;
  });
  const results = new Map(present.map(([name]) => [name, [] as Measured[]]));
  for (let round = 0; round < rounds; round++)
    for (const [name, list] of results) list.push(inOwnProcess(name));
  const packages = [...new Set(present.flatMap(([, rival]) => rival.packages))];
  console.log(
    [
      `${[...results.values()][0]![0]!.pages} pages, ${rounds} rounds, medians`,
      ...packages.map(name => `${name} ${versionOf(name)}`),
      `Node ${process.version}`,
      cpus()[0]?.model ?? "?",
    ].join(", "),
  );
  console.log(
    "| engine | pages / CPU s, WARC to text | ms a page: median | p99 | worst | peak MB | failed |",
  );
  console.log("|---|---:|---:|---:|---:|---:|---:|");
  for (const [name, list] of results) {
    const median = (of: (one: Measured) => number): number =>
      list.map(of).sort((a, b) => a - b)[rounds >> 1]!;
    const at = (share: number): string =>
      median(({ each }) => each[Math.min(each.length - 1, Math.floor(each.length * share))]!).toFixed(1);
    const rate = median(one => one.pages / (one.cpu - skippedShare(one))).toFixed(0);
    const memory = median(one => one.memory).toFixed(0);
    console.log(
      `| ${name} | ${rate} | ${at(0.5)} | ${at(0.99)} | ${at(1)} | ${memory} | ${list[0]!.failures} |`,
    );
  }
}

/** CPU seconds spent on reading the pages of the crawl that were not in the sample. */
function skippedShare({ cpu, extraction }: Measured): number {
  return (cpu - extraction) * (1 - 1 / every);
}

if (flags.engine === undefined) compare();
else {
  const extract = engines[flags.engine]!.open(anywhere);
  process.stdout.write(JSON.stringify(await measure(extract)));
}
