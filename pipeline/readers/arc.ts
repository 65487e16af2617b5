/**
 * The header line of an ARC record, version 1 (five fields) and 2 (ten), read from the right because URLs with blanks
 * were written unescaped. Gives the fields under WARC's names. Knows nothing of blocks and offsets.
 */
import type { Fields } from "./fields.ts";

const line = /^(?:filedesc:\/\/|[a-z][a-z0-9+.-]*:\S.* \S+ \d{8,20} \S+ )/i;

/** Whether a line may be the header of an ARC record. */
export function isArcLine(text: string): boolean {
  return line.test(text);
}

/** The line's fields under WARC's names, or null where it has too few. */
export function parseArcLine(text: string): { readonly type: string; readonly fields: Fields } | null {
  const parts = text.trim().split(" ");
  if (parts.length < 5) return null;
  const second = parts.length >= 10 && !isDate(parts.at(-3)!) && isDate(parts.at(-8)!);
  const [ip, date, mime] = (second ? [-9, -8, -7] : [-4, -3, -2]).map(i => parts.at(i)!) as [
    string,
    string,
    string,
  ];
  const uri = parts.slice(0, second ? -9 : -4).join(" ");
  const isHeader = uri.startsWith("filedesc:");
  const fields = new Map([
    ["warc-target-uri", uri],
    ["warc-ip-address", ip],
    ["warc-date", isoDate(date)],
    ["content-type", mime],
    ["content-length", parts.at(-1)!],
  ]);
  return { type: isHeader ? "warcinfo" : "response", fields };
}

function isDate(text: string): boolean {
  return /^\d{8,20}$/.test(text);
}

/** 20140102000000 -> 2014-01-02T00:00:00Z; what is no such date stays as it is. */
function isoDate(text: string): string {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)?(\d\d)?(\d\d)?/.exec(text);
  if (!match) return text;
  const [, year, month, day, hour = "00", minute = "00", second = "00"] = match;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}
