/**
 * Finds email addresses and passwords in web addresses by growing from every @ in both directions. Letters of any script are allowed (müller@example.de), the
 * last label must be a known top-level domain in letters, so pkg@1.2.3, photo@2x.png and x@1.2 are none; git@host:path
 * is the name of a repository. A run with several @ is one find.
 */
import { parse } from "tldts";
import { isWordCharacter } from "../text/characters.ts";
import type { Span } from "./pii-span.ts";

const at = 0x40;
/** RFC 5321: 64 octets before the @ and 255 after it. */
const longestLocal = 64;
const longestDomain = 255;

const isMark = (unit: number) => unit >= 0x300 && unit <= 0x36f;
const isSurrogate = (unit: number) => unit >= 0xd800 && unit < 0xe000;

function isLocal(unit: number): boolean {
  return (
    isWordCharacter(unit) || isMark(unit) || isSurrogate(unit) || ".%+'~-".includes(String.fromCharCode(unit))
  );
}

function isDomain(unit: number): boolean {
  return unit !== 0x5f && (isWordCharacter(unit) || isMark(unit) || unit === 0x2e || unit === 0x2d);
}

/** End of the domain that begins at `start`, or -1. */
function domainEnd(text: string, start: number): number {
  if (text[start] === "[") {
    const literal = /^\[(?:\d{1,3}\.){3}\d{1,3}\]/.exec(text.slice(start, start + 20));
    return literal ? start + literal[0].length : -1;
  }
  let end = start;
  while (end < text.length && end - start <= longestDomain && isDomain(text.charCodeAt(end))) end++;
  const labels = text.slice(start, end).split(".");
  let found = -1;
  let at = start + (labels[0]?.length ?? 0);
  if (labels[0] === "" || labels[0]!.startsWith("-")) return -1;
  for (let n = 1; n < labels.length; n++) {
    const label = labels[n]!;
    if (label === "" || label.startsWith("-")) break;
    // "…@example.com.Please write": a sentence that follows without a space.
    if (found >= 0 && /^\p{Lu}\p{Ll}/u.test(label) && !/^\p{Lu}/u.test(labels[n - 1]!)) break;
    const top = label.replace(/-+$/, "");
    at += 1 + label.length;
    if (
      /^(?:\p{L}[\p{L}\p{M}]+|xn--[a-z0-9-]+)$/iu.test(top) &&
      isKnown(text.slice(start, at - label.length + top.length))
    )
      found = at - label.length + top.length;
  }
  return found;
}

function isKnown(host: string): boolean {
  const { isIcann, hostname, publicSuffix } = parse(host, { allowPrivateDomains: false });
  return isIcann === true && hostname !== publicSuffix;
}

function localStart(text: string, end: number, least: number): number {
  let start = end;
  while (start > least && end - start < longestLocal && isLocal(text.charCodeAt(start - 1))) start--;
  if ((text.charCodeAt(start) & 0xfc00) === 0xdc00) start++;
  while (start < end && ".'-~%+".includes(text[start]!)) start++;
  return start;
}

/** Longest user and password that are looked for before an @. */
const longestUserinfo = 200;

/** Start of `user:password` if that is what stands before the @ at `sign`, or -1. */
function userinfoStart(text: string, sign: number, least: number): number {
  const from = Math.max(least, sign - longestUserinfo);
  const before = text.slice(from, sign);
  const slashes = before.lastIndexOf("://");
  if (slashes < 1 || !/[a-z0-9]/i.test(before[slashes - 1]!)) return -1;
  const user = before.slice(slashes + 3);
  return /^[^\s/?#@<>"'[\]]*$/.test(user) && user.includes(":") && user.length > 1 ? from + slashes + 3 : -1;
}

/** The last @ of the authority that goes on after the one at `sign`: a password may hold some. */
function lastSign(text: string, sign: number): number {
  let last = sign;
  for (let i = sign + 1; i < text.length && i - sign <= longestDomain; i++) {
    if (/[\s/?#<>"']/.test(text[i]!)) break;
    if (text.charCodeAt(i) === at) last = i;
  }
  return last;
}

export type EmailFinds = { readonly emails: readonly Span[]; readonly passwords: readonly Span[] };

/** Emails, and `user:password@` of addresses with the @ included. */
export function findEmails(text: string): EmailFinds {
  const emails: Span[] = [];
  const passwords: Span[] = [];
  let least = 0;
  for (let sign = text.indexOf("@"); sign >= 0; sign = text.indexOf("@", sign + 1)) {
    if (sign < least) continue;
    const userinfo = userinfoStart(text, sign, least);
    if (userinfo >= 0) {
      least = lastSign(text, sign) + 1;
      passwords.push({ start: userinfo, end: least });
      continue;
    }
    let end = domainEnd(text, sign + 1);
    if (end < 0) continue;
    for (let next = end; next >= 0 && text.charCodeAt(next) === at; ) {
      next = domainEnd(text, next + 1);
      if (next >= 0) end = next;
    }
    let start = localStart(text, sign, least);
    if (start === sign) continue;
    while (start - 1 > least && text.charCodeAt(start - 1) === at) {
      const further = localStart(text, start - 1, least);
      if (further === start - 1) break;
      start = further;
    }
    const local = text.slice(start, sign);
    if (local === "git" && text[end] === ":") continue;
    emails.push({ start, end });
    least = end;
  }
  return { emails, passwords };
}
