/**
 * Character references: `&eacute;`, `&#233;`, `&#xe9;`, also where the semicolon is missing.
 * Follows the HTML standard outside attributes: the longest known name wins, numbers 128 to 159 mean windows-1252,
 * zero, surrogates and what lies beyond Unicode become U+FFFD.
 */
import { references } from "./entities.gen.ts";

const named = new Map<string, string>();
/** Names that count without a semicolon, and the longest of them. */
const bare = new Map<string, string>();
let longestBare = 0;
for (const entry of references.split(",")) {
  const [marked, codes] = entry.split(" ");
  const text = String.fromCodePoint(...codes.split("+").map(code => Number.parseInt(code, 16)));
  const name = marked.replace("!", "");
  named.set(name, text);
  if (name !== marked) {
    bare.set(name, text);
    longestBare = Math.max(longestBare, name.length);
  }
}

/** The longest name in the standard has 31 characters. */
const LONGEST_NAME = 31;

const windows1252 = [
  0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d,
  0x017d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a,
  0x0153, 0x9d, 0x017e, 0x0178,
];

function numbered(code: number): string {
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  if (code >= 0x80 && code <= 0x9f) return String.fromCharCode(windows1252[code - 0x80]);
  return String.fromCodePoint(code);
}

function isAlphanumeric(code: number): boolean {
  return (code >= 48 && code <= 57) || ((code | 32) >= 97 && (code | 32) <= 122);
}

/** What the reference at `at` (an ampersand) means and where it ends; null where it is an ampersand and nothing more. */
function referenceAt(text: string, at: number): { readonly means: string; readonly end: number } | null {
  if (text.charCodeAt(at + 1) === 35) {
    const hexadecimal = (text.charCodeAt(at + 2) | 32) === 120;
    let end = at + (hexadecimal ? 3 : 2);
    const start = end;
    let code = 0;
    for (; end < text.length; end++) {
      const c = text.charCodeAt(end);
      const letter = c | 32;
      const digit =
        c >= 48 && c <= 57 ? c - 48 : hexadecimal && letter >= 97 && letter <= 102 ? letter - 87 : -1;
      if (digit < 0) break;
      code = Math.min(code * (hexadecimal ? 16 : 10) + digit, 0x110000);
    }
    if (end === start) return null;
    return { means: numbered(code), end: text.charCodeAt(end) === 59 ? end + 1 : end };
  }
  let end = at + 1;
  while (end < text.length && end - at <= LONGEST_NAME && isAlphanumeric(text.charCodeAt(end))) end++;
  if (text.charCodeAt(end) === 59) {
    const means = named.get(text.slice(at + 1, end));
    if (means !== undefined) return { means, end: end + 1 };
  }
  for (let stop = Math.min(end, at + 1 + longestBare); stop > at + 2; stop--) {
    const means = bare.get(text.slice(at + 1, stop));
    if (means !== undefined) return { means, end: stop };
  }
  return null;
}

/** `text` with its character references replaced. */
export function decodeReferences(text: string): string {
  let at = text.indexOf("&");
  if (at < 0) return text;
  let decoded = "";
  let from = 0;
  while (at >= 0) {
    const reference = referenceAt(text, at);
    if (reference) {
      decoded += text.slice(from, at) + reference.means;
      from = reference.end;
    }
    at = text.indexOf("&", reference ? reference.end : at + 1);
  }
  return decoded + text.slice(from);
}
