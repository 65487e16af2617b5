/** Damage for text and bytes, drawn from a seed: what is wrong in files that hostile or careless people hand over. */
import type { Random } from "../../lib/random.ts";

export const pick = <T>(draw: Random, list: readonly T[]): T => list[draw.below(list.length)]!;

const scraps = [
  ...[
    "",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u001b[2J",
    "\ufeff",
    "\u202e",
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    "*",
    "&a",
    "*a",
    "<<: *a",
  ],
  ...[
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "9007199254740993",
    "99999999999999999999",
    "NaN",
    "[[[[",
    "{}",
    '""',
  ],
  ...[
    "../",
    "/etc/passwd",
    "..\\",
    "__proto__",
    "constructor",
    "crawl-data/",
    "org,example)",
    "é",
    "\ud800",
    "𝄞",
  ],
];

/** One to six changes: a piece taken out, doubled, moved, overwritten by a scrap or by a random character. */
export function mutateText(text: string, draw: Random): string {
  let result = text;
  for (let changes = 1 + draw.below(6); changes > 0; changes--) {
    const at = draw.below(result.length + 1);
    const length = draw.below(2) === 0 ? draw.below(4) : draw.below(Math.min(200, result.length + 1));
    const [before, hit, after] = [
      result.slice(0, at),
      result.slice(at, at + length),
      result.slice(at + length),
    ];
    const kind = draw.below(6);
    if (kind === 0) result = before + after;
    else if (kind === 1) result = before + hit + hit + after;
    else if (kind === 2) result = before + pick(draw, scraps) + after;
    else if (kind === 3) result = before + pick(draw, scraps) + hit + after;
    else if (kind === 4)
      result = before + String.fromCharCode(draw.below(draw.below(4) === 0 ? 65536 : 128)) + after;
    else result = result.slice(0, at);
  }
  return result;
}

/** As `mutateText`, for bytes; numbers of four and eight bytes are favourite targets. */
export function mutateBytes(bytes: Buffer, draw: Random): Buffer {
  let result = Buffer.from(bytes);
  for (let changes = 1 + draw.below(4); changes > 0; changes--) {
    const at = draw.below(result.length + 1);
    const kind = draw.below(6);
    if (kind === 0 && result.length > 0) result[draw.below(result.length)]! ^= 1 << draw.below(8);
    else if (kind === 1) result = result.subarray(0, at);
    else if (kind === 2)
      result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + draw.below(16))]);
    else if (kind === 3) result.fill(draw.below(256), at, Math.min(result.length, at + 1 + draw.below(8)));
    else if (kind === 4 && result.length >= at + 4)
      result.writeUInt32LE(pick(draw, [0, 1, 0x7fffffff, 0xffffffff, 4096]), at);
    else
      result = Buffer.concat([result.subarray(0, at), Buffer.from(pick(draw, scraps)), result.subarray(at)]);
  }
  return result;
}

/** A JSON value with one to three of its parts replaced by something of another kind. */
export function mutateJson(value: unknown, draw: Random): unknown {
  const copy = structuredClone(value);
  for (let changes = 1 + draw.below(3); changes > 0; changes--) {
    let at = copy as Record<string, unknown>;
    for (let depth = draw.below(5); depth > 0; depth--) {
      const inner = Object.values(at).filter(child => typeof child === "object" && child !== null);
      if (inner.length === 0) break;
      at = pick(draw, inner) as Record<string, unknown>;
    }
    const keys = Object.keys(at);
    if (keys.length === 0) continue;
    const key = pick(draw, keys);
    if (draw.below(4) === 0) delete at[key];
    else
      at[key] = pick<unknown>(draw, [
        null,
        true,
        -1,
        0.5,
        1e300,
        2 ** 40,
        "",
        "x",
        "../../x",
        [],
        {},
        [null],
        [[]],
        { length: 5 },
        at[pick(draw, keys)],
      ]);
  }
  return copy;
}
