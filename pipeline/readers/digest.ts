/**
 * Whether a record's bytes are those its digests were made of: `sha1:` and base32 as a rule, hexadecimal and other
 * hashes as the format allows. A payload digest may have been made before or after chunks were undone, so either fits.
 */
import { createHash, getHashes } from "node:crypto";
import type { WarcRecord } from "../document.ts";
import { parseResponse } from "./http.ts";
import { joinChunks } from "./payload.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const algorithms = new Set(getHashes());

/** null where the record has no digest that can be checked. */
export function digestsFit(record: WarcRecord): boolean | null {
  const block = fits(record.headers.get("warc-block-digest"), () => [record.block]);
  if (block === false) return false;
  const payload = fits(record.headers.get("warc-payload-digest"), () => {
    const { body } = parseResponse(record.block);
    const joined = joinChunks(body);
    return joined ? [body, joined.body] : [body];
  });
  return payload ?? block;
}

function fits(
  digest: string | undefined,
  candidates: () => readonly Buffer[] | readonly Uint8Array[],
): boolean | null {
  const match = /^([a-z0-9-]+):\s*([a-z0-9=]+)$/i.exec(digest ?? "");
  if (!match) return null;
  const algorithm = match[1]!.toLowerCase().replace("sha-", "sha");
  if (!algorithms.has(algorithm)) return null;
  const wanted = match[2]!.replace(/=+$/, "");
  return candidates().some(bytes => {
    const hash = createHash(algorithm).update(bytes).digest();
    return base32(hash) === wanted.toUpperCase() || hash.toString("hex") === wanted.toLowerCase();
  });
}

export function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) text += alphabet[(held >> (bits -= 5)) & 31];
  }
  return bits > 0 ? text + alphabet[(held << (5 - bits)) & 31] : text;
}
