/**
 * Reads one character of UTF-8 and says its class and width in one number, `class | width << 4`. Knows no patterns.
 * A byte that belongs to no well-formed character is OTHER and one byte wide, so that any bytes can be cut into
 * pieces and put together again. Bytes below 128 never come here in the scanners' loops: their tables answer.
 */
import { type ClassTable, OTHER } from "../unicode.ts";

export type ClassAt = (bytes: Uint8Array, at: number, end: number) => number;

const ill = OTHER | (1 << 4);

/** A reader of the character that begins at `at` and must end before `end`. */
export function classReader(table: ClassTable): ClassAt {
  const { index, blocks } = table;
  return (bytes, at, end) => {
    const lead = bytes[at]!;
    if (lead < 0x80) return blocks[(index[0]! << 8) | lead]! | (1 << 4);
    if (lead < 0xe0) {
      if (lead < 0xc2 || at + 1 >= end) return ill;
      const next = bytes[at + 1]! ^ 0x80;
      if (next > 63) return ill;
      const point = ((lead & 31) << 6) | next;
      return blocks[(index[point >> 8]! << 8) | (point & 255)]! | (2 << 4);
    }
    if (lead < 0xf0) {
      if (at + 2 >= end) return ill;
      const second = bytes[at + 1]! ^ 0x80;
      const third = bytes[at + 2]! ^ 0x80;
      if ((second | third) > 63) return ill;
      const point = ((lead & 15) << 12) | (second << 6) | third;
      if (point < 0x800 || (point & 0xf800) === 0xd800) return ill;
      return blocks[(index[point >> 8]! << 8) | (point & 255)]! | (3 << 4);
    }
    if (lead > 0xf4 || at + 3 >= end) return ill;
    const second = bytes[at + 1]! ^ 0x80;
    const third = bytes[at + 2]! ^ 0x80;
    const fourth = bytes[at + 3]! ^ 0x80;
    if ((second | third | fourth) > 63) return ill;
    const point = ((lead & 7) << 18) | (second << 12) | (third << 6) | fourth;
    if (point < 0x10000 || point > 0x10ffff) return ill;
    return blocks[(index[point >> 8]! << 8) | (point & 255)]! | (4 << 4);
  };
}

/**
 * For the scanners' loops: what a byte is, `kinds[class]` below 128 and `wide` above.
 * `kinds` lists a kind for each of the eight classes of unicode.ts.
 */
export function kindsOfBytes(table: ClassTable, kinds: readonly number[], wide: number): Uint8Array {
  const ofBytes = new Uint8Array(256).fill(wide);
  for (let byte = 0; byte < 128; byte++) ofBytes[byte] = kinds[table.blocks[(table.index[0]! << 8) | byte]!]!;
  return ofBytes;
}
