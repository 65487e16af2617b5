/** Runs the real command in a process of its own, as a person would. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { builtRoot } from "../../lib/package-root.ts";
import { hash32 } from "../../lib/random.ts";

export type Outcome = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
export type Running = { readonly child: ChildProcess; readonly done: Promise<Outcome>; stderr(): string };

export function start(
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly input?: string | Buffer;
    readonly env?: Record<string, string>;
  } = {},
): Running {
  const child = spawn(process.execPath, [join(builtRoot, "cli", "main.js"), ...args], {
    cwd: options.cwd ?? process.cwd(),
    env: { ...process.env, NO_COLOR: "1", ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout!.setEncoding("utf8").on("data", text => (stdout += text));
  child.stderr!.setEncoding("utf8").on("data", text => (stderr += text));
  child.stdin!.on("error", () => {});
  child.stdin!.end(options.input ?? "");
  const done = new Promise<Outcome>(resolve => child.on("close", code => resolve({ code, stdout, stderr })));
  return { child, done, stderr: () => stderr };
}

export const curate = (
  args: readonly string[],
  options: Parameters<typeof start>[1] = {},
): Promise<Outcome> => start(args, options).done;

export const temporary = (name: string): string => mkdtempSync(join(tmpdir(), `curate-${name}-`));

/** A page with enough plain sentences to pass the quality filters; `seed` makes them differ. */
export function article(seed: number, sentences = 14): string {
  const who = [
    "The baker",
    "A gardener",
    "My neighbour",
    "The teacher",
    "An old sailor",
    "The carpenter",
    "Her sister",
  ];
  const did = [
    "walked to the river",
    "opened the heavy door",
    "repaired the wooden boat",
    "planted a row of beans",
    "read the long letter",
    "measured the cold water",
    "carried the ladder home",
  ];
  const why = [
    "because the rain had stopped",
    "before the others were awake",
    "and that was the end of it",
    "while the children slept",
    "with a lantern in one hand",
    "to see what the wind had done",
    "as people have always done",
  ];
  const then = [
    "which nobody in the street had expected",
    "although the clock had not struck nine",
    "so the dog followed at a distance",
    "while smoke rose from the chimney",
    "but the key was already lost",
    "until the lamp went out again",
    "and the bread was still warm",
    "before snow closed the mountain road",
    "because a letter had come from the coast",
    "as soon as the bells were quiet",
    "without saying a word to the miller",
  ];
  const lines: string[] = [];
  for (let i = 0; i < sentences; i++) {
    const pick = (list: readonly string[], salt: string) => list[hash32(seed, `${salt} ${i}`) % list.length]!;
    lines.push(`${pick(who, "who")} ${pick(did, "did")} ${pick(why, "why")}, ${pick(then, "then")}.`);
  }
  const paragraphs = [];
  for (let i = 0; i < lines.length; i += 3) paragraphs.push(`<p>${lines.slice(i, i + 3).join(" ")}</p>`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Story ${seed}</title></head><body><nav><a href="/">Home</a></nav><article><h1>Story ${seed}</h1>${paragraphs.join("")}</article><footer>All rights reserved</footer></body></html>`;
}

/** A WARC file, one gzip member a record, of pages given as URL and HTML. */
export function warc(pages: readonly { readonly url: string; readonly html: string }[]): Buffer {
  const record = (type: string, headers: string, body: string) => {
    const block = Buffer.from(body);
    const head = `WARC/1.0\r\nWARC-Type: ${type}\r\n${headers}Content-Length: ${block.length}\r\n\r\n`;
    return gzipSync(Buffer.concat([Buffer.from(head), block, Buffer.from("\r\n\r\n")]));
  };
  const info = record(
    "warcinfo",
    "WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-ffffffffffff>\r\nWARC-Date: 2024-01-01T00:00:00Z\r\nContent-Type: application/warc-fields\r\n",
    "software: test\r\n",
  );
  const responses = pages.map(({ url, html }, i) => {
    const id = `<urn:uuid:00000000-0000-4000-8000-${String(i).padStart(12, "0")}>`;
    const headers = `WARC-Record-ID: ${id}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Target-URI: ${url}\r\nContent-Type: application/http; msgtype=response\r\nWARC-Identified-Payload-Type: text/html\r\n`;
    return record(
      "response",
      headers,
      `HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n${html}`,
    );
  });
  return Buffer.concat([info, ...responses]);
}

/** A folder with `crawl/*.warc.gz` of made-up stories and a recipe; gives the folder. */
export function project(options: {
  readonly files?: number;
  readonly pages?: number;
  readonly stages: string;
  readonly top?: string;
}): string {
  const dir = temporary("project");
  const { files = 2, pages = 8 } = options;
  for (let file = 0; file < files; file++) {
    const list = Array.from({ length: pages }, (_, i) => ({
      url: `https://stories.example/${file}/${i}`,
      html: article(file * pages + i),
    }));
    writeFileSync(join(dir, `crawl-${file}.warc.gz`), warc(list));
  }
  writeFileSync(
    join(dir, "stages.yaml"),
    `name: stories\nworkdir: out\n${options.top ?? ""}source: { warc: ["*.warc.gz"] }\nstages:\n${options.stages}`,
  );
  return dir;
}
