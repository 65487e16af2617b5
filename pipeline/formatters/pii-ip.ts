/**
 * Finds IP addresses. A dotted quad must stand alone (no digit, letter or dot beside it) and not behind a word that
 * announces a version or a section; of six colons and hexadecimal digits only what parses as IPv6 counts, and a
 * shortened form only in the range in use (2000::/3), because `a::b` is more often C++. Which ranges are public is
 * taken from the IANA special-purpose registries (IPv4 2024-08, IPv6 2024-08).
 */
import { isLetter, isWordCharacter } from "../text/characters.ts";
import { isDigitAt, type Span } from "./pii-span.ts";

export type IpScope = "public" | "all";

/** First address and prefix length of what is not public. */
const reserved4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

function parse4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let address = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    address = address * 256 + Number(part);
  }
  return address;
}

const ranges4 = reserved4.map(([first, bits]) => {
  const start = parse4(first)!;
  return { start, end: start + 2 ** (32 - bits) };
});

/** Whether a dotted quad is a valid address that the whole internet can reach. */
export function isPublic4(text: string): boolean {
  const address = parse4(text);
  return address !== null && !ranges4.some(({ start, end }) => address >= start && address < end);
}

/** Eight groups of 16 bits, or null. */
export function parse6(text: string): number[] | null {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  let full = text;
  if (dotted) {
    const address = parse4(dotted[2]!);
    if (address === null) return null;
    full = `${dotted[1]}${Math.floor(address / 65536).toString(16)}:${(address % 65536).toString(16)}`;
  }
  const halves = full.split("::");
  if (halves.length > 2) return null;
  const groups = halves.map(half => (half === "" ? [] : half.split(":")));
  if (!groups.flat().every(group => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  const [head, tail] = groups as [string[], string[] | undefined];
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail ? missing < 1 : missing !== 0) return null;
  return [...head, ...new Array<string>(tail ? missing : 0).fill("0"), ...(tail ?? [])].map(group =>
    Number.parseInt(group, 16),
  );
}

function isPublic6(groups: readonly number[], shortened: boolean): boolean {
  const [first, second] = groups as [number, number];
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff) {
    const [high, low] = [groups[6]!, groups[7]!];
    return isPublic4(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`);
  }
  const global = first >= 0x2000 && first < 0x4000;
  if (!global && (shortened || first < 0x0200 || first >= 0xfc00)) return false;
  const teredoAndDocumentation = first === 0x2001 && (second < 0x0200 || second === 0x0db8);
  return !teredoAndDocumentation && first !== 0x2002 && !(first === 0x3fff && second < 0x1000);
}

const announces =
  /(?:^|[^\p{L}\p{N}])(?:versions?|ver|v|release|rel|rev|revision|build|firmware|update|patch|sections?|sec|chapter|clause|paragraph|article|appendix|annex|figure|fig|table|step|item|oid|§{1,2})[\s.:#_"'-]{0,3}$/iu;

/** Whether the number at `start` is announced as a version or the like. */
function isNumbering(text: string, start: number): boolean {
  return announces.test(text.slice(Math.max(0, start - 16), start));
}

const quad = /\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}/g;

function standsAlone(text: string, start: number, end: number): boolean {
  const before = start > 0 ? text.charCodeAt(start - 1) : 0x20;
  const after = end < text.length ? text.charCodeAt(end) : 0x20;
  if (before === 0x2e || isWordCharacter(before)) return false;
  // "package-4.3.2.1", "nginx/1.9.7.1", "17.0.4.1-lib".
  if ((before === 0x2d || before === 0x2f) && start > 1 && isLetter(text.charCodeAt(start - 2))) return false;
  if (after === 0x2d && isLetter(text.charCodeAt(end + 1) || 0x20)) return false;
  if (isWordCharacter(after)) return false;
  return !(after === 0x2e && (isDigitAt(text, end + 1) || isLetter(text.charCodeAt(end + 1) || 0x20)));
}

export function findIp4(text: string, scope: IpScope): Span[] {
  const spans: Span[] = [];
  quad.lastIndex = 0;
  for (let match = quad.exec(text); match; match = quad.exec(text)) {
    const start = match.index;
    const end = start + match[0].length;
    const found =
      standsAlone(text, start, end) &&
      (scope === "public" ? isPublic4(match[0]) : parse4(match[0]) !== null) &&
      !isNumbering(text, start);
    if (found) spans.push({ start, end });
    // A run of digits and dots is judged once, whole.
    else {
      let at = end;
      while (isDigitAt(text, at) || (text[at] === "." && isDigitAt(text, at + 1))) at++;
      quad.lastIndex = at;
    }
  }
  return spans;
}

/** Longest form of an IPv6 address, and a little for what follows it. */
const longest6 = 50;

const colons = /[0-9a-f]{0,4}:[0-9a-f:.]*/gi;

export function findIp6(text: string, scope: IpScope): Span[] {
  const spans: Span[] = [];
  colons.lastIndex = 0;
  for (let match = colons.exec(text); match; match = colons.exec(text)) {
    const { index: start } = match;
    if (match[0].length > longest6) continue;
    const run = match[0].replace(/[.:]*$/, end => (end.startsWith("::") ? "::" : ""));
    const end = start + run.length;
    if (run.length < 3 || !/:.*:/.test(run)) continue;
    const before = start > 0 ? text.charCodeAt(start - 1) : 0x20;
    const after = end < text.length ? text.charCodeAt(end) : 0x20;
    if (isWordCharacter(before) || before === 0x2e || isWordCharacter(after)) continue;
    const groups = parse6(run);
    if (!groups) continue;
    if (scope === "all" ? groups.some(group => group > 0) : isPublic6(groups, run.includes("::")))
      spans.push({ start, end });
  }
  return spans;
}
