/**
 * A guess at the charset of undeclared bytes. jschardet is loaded when the first such page comes (40 ms, 2 % of
 * pages); it gets 24 of 25 language and charset pairs right and names some by their vendor's name, mapped here. It
 * looks at text alone and at most 4 KB of it: markup is ASCII and says nothing, and more does not improve the guess.
 */
import { createRequire } from "node:module";
import { normalizeEncoding } from "@exodus/bytes/encoding.js";

type Detector = {
  detect(bytes: Uint8Array): { readonly encoding: string | null; readonly confidence: number };
};

const sampleBytes = 4096;

/** Names the detector gives that are not WHATWG labels. */
const whatwgNames: Readonly<Record<string, string>> = {
  cp932: "shift_jis",
  cp949: "euc-kr",
  johab: "euc-kr",
  uhc: "euc-kr",
  cp874: "windows-874",
  "tis-620": "windows-874",
  cp1250: "windows-1250",
  cp1251: "windows-1251",
  cp1252: "windows-1252",
  cp1253: "windows-1253",
  cp1254: "windows-1254",
  cp1255: "windows-1255",
  cp1256: "windows-1256",
  cp1257: "windows-1257",
  cp1258: "windows-1258",
  cp866: "ibm866",
  "mac-cyrillic": "x-mac-cyrillic",
  maccyrillic: "x-mac-cyrillic",
  "mac-roman": "macintosh",
  macroman: "macintosh",
  "iso-2022-jp-2": "iso-2022-jp",
  "iso-2022-jp-2004": "iso-2022-jp",
  "iso-2022-jp-ext": "iso-2022-jp",
  "euc-jis-2004": "euc-jp",
  "shift-jis-2004": "shift_jis",
  "shift_jis-2004": "shift_jis",
  "big5-hkscs": "big5",
  "utf-16-le": "utf-16le",
  "utf-16-be": "utf-16be",
};

let detector: Detector | null = null;

/** The likeliest charset by its WHATWG name, or null where there is no likely one. */
export function detectCharset(body: Uint8Array): string | null {
  detector ??= createRequire(import.meta.url)("jschardet") as Detector;
  const { encoding } = detector.detect(textSample(body));
  if (encoding === null) return null;
  const name = encoding.toLowerCase().replaceAll("_", "-");
  const label = whatwgNames[name] ?? whatwgNames[encoding.toLowerCase()] ?? name;
  const charset = normalizeEncoding(label);
  return charset === "replacement" ? null : charset;
}

/** UTF-16 without a mark: every other byte of the beginning is zero. */
export function looksUtf16(body: Uint8Array): "utf-16le" | "utf-16be" | null {
  const length = Math.min(body.length & ~1, 512);
  if (length < 4) return null;
  const zeros = [0, 0];
  for (let i = 0; i < length; i++) if (body[i] === 0) zeros[i & 1]!++;
  const half = length / 2;
  if (zeros[1]! > half * 0.6 && zeros[0]! < half * 0.1) return "utf-16le";
  return zeros[0]! > half * 0.6 && zeros[1]! < half * 0.1 ? "utf-16be" : null;
}

/** Runs of text that hold a byte above ASCII (or an escape), without tags, scripts and styles. */
function textSample(body: Uint8Array): Uint8Array {
  const sample = new Uint8Array(sampleBytes);
  let size = 0;
  const take = (from: number, to: number) => {
    let telling = false;
    for (let i = from; i < to && !telling; i++) telling = body[i]! >= 0x80 || body[i] === 0x1b;
    if (!telling) return;
    const run = body.subarray(from, Math.min(to, from + sampleBytes - size));
    sample.set(run, size);
    size += run.length;
  };
  let i = 0;
  while (i < body.length && size < sampleBytes) {
    let end = body.indexOf(0x3c, i);
    if (end < 0) end = body.length;
    take(i, end);
    i = skipMarkup(body, end);
  }
  return sample.subarray(0, size);
}

/** Where the markup that begins at `at` ends: behind its `>`, or behind the whole script or style. */
function skipMarkup(body: Uint8Array, at: number): number {
  const opening = Buffer.from(body.subarray(at, at + 8))
    .toString("latin1")
    .toLowerCase();
  const element = /^<(script|style)/.exec(opening)?.[1];
  if (element) {
    const whole = Buffer.from(body.buffer, body.byteOffset, body.length);
    for (const close of [`</${element}`, `</${element.toUpperCase()}`]) {
      const found = whole.indexOf(close, at, "latin1");
      if (found >= 0) return found + close.length + 1;
    }
  }
  // A `<` that begins no tag is text.
  if (!/^<[a-z/!?]/.test(opening)) return at + 1;
  const end = body.indexOf(0x3e, at);
  return end < 0 ? body.length : end + 1;
}
