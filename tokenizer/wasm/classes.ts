/**
 * Classes of characters, those of tokenizer/unicode.ts, as bits, and runs of them. A byte that belongs to no well-formed
 * character is OTHER and one byte wide.
 */
import { BYTE_CLASSES, CLASS_BLOCKS, CLASS_INDEX } from "./memory";

export const OTHER: i32 = 1;
export const UPPER: i32 = 2;
export const LOWER: i32 = 4;
export const UNCASED: i32 = 8;
export const MARK: i32 = 16;
export const NUMBER: i32 = 32;
export const SPACE: i32 = 64;
export const NEWLINE: i32 = 128;

export const LETTER: i32 = UPPER | LOWER | UNCASED;

/** Number of the class in BYTE_CLASSES of bytes that begin or continue a longer character. */
const WIDE: i32 = 8;
const ILL: i32 = 1 << 4;

// @ts-ignore: decorator
@inline
function looked(point: i32, width: i32): i32 {
  const block = <usize>load<u16>(CLASS_INDEX + (<usize>(point >> 8) << 1));
  return <i32>load<u8>(CLASS_BLOCKS + ((block << 8) | <usize>(point & 255))) | (width << 4);
}

/** Number of the class and width of a character that is not ASCII: class | width << 4. */
function wideAt(at: usize, end: usize): i32 {
  const lead = <i32>load<u8>(at);
  const second = <i32>load<u8>(at, 1) ^ 0x80;
  if (lead < 0xe0) {
    if (lead < 0xc2 || at + 1 >= end || second > 63) return ILL;
    return looked(((lead & 31) << 6) | second, 2);
  }
  const third = <i32>load<u8>(at, 2) ^ 0x80;
  if (lead < 0xf0) {
    if (at + 2 >= end || (second | third) > 63) return ILL;
    const point = ((lead & 15) << 12) | (second << 6) | third;
    if (point < 0x800 || (point & 0xf800) == 0xd800) return ILL;
    return looked(point, 3);
  }
  const fourth = <i32>load<u8>(at, 3) ^ 0x80;
  if (lead > 0xf4 || at + 3 >= end || (second | third | fourth) > 63) return ILL;
  const point = ((lead & 7) << 18) | (second << 12) | (third << 6) | fourth;
  if (point < 0x10000 || point > 0x10ffff) return ILL;
  return looked(point, 4);
}

/** Number of the class and width of any character. */
// @ts-ignore: decorator
@inline
export function characterAt(at: usize, end: usize): i32 {
  const kind = <i32>load<u8>(BYTE_CLASSES + <usize>load<u8>(at));
  return kind != WIDE ? kind | (1 << 4) : wideAt(at, end);
}

/** The bit of a character's class. */
// @ts-ignore: decorator
@inline
export function bitOf(character: i32): i32 {
  return 1 << (character & 15);
}

/** End of the run of characters of these classes that goes on at `at`. */
export function runEnd(at: usize, end: usize, classes: i32): usize {
  while (at < end) {
    const kind = <i32>load<u8>(BYTE_CLASSES + <usize>load<u8>(at));
    if (kind != WIDE) {
      if (!(classes & (1 << kind))) return at;
      at++;
    } else {
      const read = wideAt(at, end);
      if (!(classes & bitOf(read))) return at;
      at += <usize>(read >> 4);
    }
  }
  return at;
}

/** Where the character that ends before `stop` begins. */
export function lastCharacter(stop: usize): usize {
  let at = stop - 1;
  while ((load<u8>(at) & 0xc0) == 0x80) at--;
  return at;
}
