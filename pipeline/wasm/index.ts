/**
 * DEFLATE (RFC 1951) of one gzip member that fits in memory. Bits wait in 64; the loop over symbols knows no ends but one
 * check a round, since input and output have slack behind them, and copies 16 bytes at a time. Says no to whatever is
 * not plainly right: the caller asks zlib then, so this must only never say yes where zlib would not, or say it
 * otherwise. Knows no gzip and no checksums.
 */
import { buildTable, DISTANCE_BITS, END, HEADER_BITS, LITERAL, LITERAL_BITS, LONGER, prepareCodes, SPECIAL } from "./codes";
import {
  DISTANCE_MEANINGS,
  DISTANCE_TABLE,
  FIXED_DISTANCE_TABLE,
  FIXED_LITERAL_TABLE,
  HEADER_MEANINGS,
  HEADER_TABLE,
  INPUT,
  LENGTHS,
  LITERAL_MEANINGS,
  LITERAL_TABLE,
  PATTERNS,
  SLACK,
} from "./layout";

/** Results of `inflate` below 0. */
const CUT: i32 = -1;
const REFUSED: i32 = -2;

/** Results of `symbols`. */
const BLOCK_END: i32 = 0;
const INPUT_END: i32 = 1;
const UNUSUAL: i32 = 2;

/** Input that must be there, if there is more, before a header is read. */
const HEADER_ROOM: usize = 1024;
/** As much is read in a round of the loop at most. */
const ROUND: usize = 32;

/** Puts more input behind what there is and says how many bytes, 0 where there is none. */
// @ts-ignore: decorator
@external("reader", "more")
declare function more(): i32;

let output: usize = 0;
let at: usize = INPUT;
let end: usize = INPUT;
/** No more input comes. */
let ended: bool = false;
let to: usize = 0;
let limit: usize = 0;
/** Bits read and not yet used. Of `held` only the lowest six bits count. */
let bits: u64 = 0;
let held: u64 = 0;
let literals: usize = 0;
let distances: usize = 0;

export function inputAt(): usize {
  return INPUT;
}

export function outputAt(): usize {
  return output;
}

/** Bytes of the input that the last member took. */
export function consumed(): usize {
  return at - INPUT;
}

/** Takes memory for so much input and output. */
export function prepare(inputRoom: usize, outputRoom: usize): void {
  output = INPUT + inputRoom + SLACK;
  const pages = <i32>((output + outputRoom + SLACK + 65535) >> 16) - memory.size();
  if (pages > 0 && memory.grow(pages) < 0) unreachable();
  prepareCodes();
}

/** Asks for input until there are so many bytes, or no more. */
function ensure(bytes: usize): void {
  while (!ended && at + bytes > end) {
    const got = more();
    end += got;
    ended = got == 0;
  }
}

/** At least 56 bits wait then. */
// @ts-ignore: decorator
@inline
function refill(): void {
  bits |= load<u64>(at) << held;
  at += <usize>((~held >> 3) & 7);
  held |= 56;
}

// @ts-ignore: decorator
@inline
function take(count: u64): u32 {
  const value = bits & (((<u64>1) << count) - 1);
  bits >>= count;
  held -= count;
  return <u32>value;
}

// @ts-ignore: decorator
@inline
function lookup(table: usize, window: u64, tableBits: u64): u64 {
  return <u64>load<u32>(table + (<usize>(window & (((<u64>1) << tableBits) - 1)) << 2));
}

// @ts-ignore: decorator
@inline
function lookupLonger(table: usize, first: u64, window: u64): u64 {
  const index = (first >> 16) + (window & (((<u64>1) << ((first >> 8) & 15)) - 1));
  return <u64>load<u32>(table + (<usize>index << 2));
}

/** The smallest length or distance of an entry and its extra bits, from the bits its code began with. */
// @ts-ignore: decorator
@inline
function valueOf(one: u64, window: u64): usize {
  return <usize>((one >> 16) + ((window & (((<u64>1) << one) - 1)) >> ((one >> 8) & 15)));
}

/** Writes up to 31 bytes too many. Where source and copy overlap, what was just written is copied on. */
// @ts-ignore: decorator
@inline
function copyMatch(target: usize, distance: usize, stop: usize): void {
  let source = target - distance;
  if (distance >= 16) {
    v128.store(target, v128.load(source));
    v128.store(target, v128.load(source, 16), 16);
    for (target += 32; target < stop; target += 16) {
      v128.store(target, v128.load(source, 32));
      source += 16;
    }
    return;
  }
  const pattern = i8x16.swizzle(v128.load(source), v128.load(PATTERNS + (distance << 4)));
  const step: usize = 16 - (16 % distance);
  do {
    v128.store(target, pattern);
    target += step;
  } while (target < stop);
}

/** Decodes to the end of the block; stops where input before `stop` or room for output runs out. */
function symbols(stop: usize): i32 {
  let b = bits;
  let n = held;
  let i = at;
  let o = to;
  const first = output;
  const most = limit;
  const long = literals;
  const far = distances;
  let result = INPUT_END;
  while (i <= stop) {
    if (o > most) {
      result = UNUSUAL;
      break;
    }
    b |= load<u64>(i) << n;
    i += <usize>((~n >> 3) & 7);
    n |= 56;
    // Shifts take the lowest six bits of an entry: what its code and extra bits are long.
    let one = lookup(long, b, LITERAL_BITS);
    let window = b;
    b >>= one;
    n -= one;
    if (one & LITERAL) {
      store<u8>(o++, <u8>(one >> 16));
      one = lookup(long, b, LITERAL_BITS);
      window = b;
      b >>= one;
      n -= one;
      if (one & LITERAL) {
        store<u8>(o++, <u8>(one >> 16));
        one = lookup(long, b, LITERAL_BITS);
        window = b;
        b >>= one;
        n -= one;
        if (one & LITERAL) {
          store<u8>(o++, <u8>(one >> 16));
          continue;
        }
      }
    }
    if (one & SPECIAL) {
      if (one & LONGER) {
        one = lookupLonger(long, one, b);
        window = b;
        b >>= one;
        n -= one;
        if (one & LITERAL) {
          store<u8>(o++, <u8>(one >> 16));
          continue;
        }
      }
      if (one & SPECIAL) {
        result = one & END ? BLOCK_END : UNUSUAL;
        break;
      }
    }
    const length = valueOf(one, window);
    b |= load<u64>(i) << n;
    i += <usize>((~n >> 3) & 7);
    n |= 56;
    one = lookup(far, b, DISTANCE_BITS);
    if (one & LONGER) {
      b >>= one;
      n -= one;
      one = lookupLonger(far, one, b);
    }
    if (one & SPECIAL) {
      result = UNUSUAL;
      break;
    }
    const distance = valueOf(one, b);
    b >>= one;
    n -= one;
    if (distance > o - first) {
      result = UNUSUAL;
      break;
    }
    copyMatch(o, distance, o + length);
    o += length;
  }
  bits = b;
  held = n;
  at = i;
  to = o;
  return result;
}

const headerOrder: StaticArray<u8> = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Reads the codes of a block; false where they are none. */
function readCodes(): bool {
  ensure(HEADER_ROOM);
  refill();
  const literalCount = take(5) + 257;
  const distanceCount = take(5) + 1;
  const headerCount = take(4) + 4;
  if (literalCount > 286 || distanceCount > 30) return false;
  memory.fill(LENGTHS, 0, 19);
  for (let i: u32 = 0; i < headerCount; i++) {
    if ((i & 15) == 0) refill();
    store<u8>(LENGTHS + unchecked(headerOrder[i]), <u8>take(3));
  }
  if (!buildTable(HEADER_TABLE, LENGTHS, 19, HEADER_MEANINGS, HEADER_BITS)) return false;
  const all = literalCount + distanceCount;
  let i: u32 = 0;
  while (i < all) {
    refill();
    const one = lookup(HEADER_TABLE, bits, HEADER_BITS);
    take(one & 63);
    const symbol = <u32>(one >> 16);
    if (symbol < 16) {
      store<u8>(LENGTHS + i, <u8>symbol);
      i++;
      continue;
    }
    if (symbol == 16 && i == 0) return false;
    const length = symbol == 16 ? load<u8>(LENGTHS + i - 1) : 0;
    const repeats = symbol == 16 ? 3 + take(2) : symbol == 17 ? 3 + take(3) : 11 + take(7);
    if (i + repeats > all) return false;
    memory.fill(LENGTHS + i, length, repeats);
    i += repeats;
  }
  if (load<u8>(LENGTHS + 256) == 0) return false;
  literals = LITERAL_TABLE;
  distances = DISTANCE_TABLE;
  return (
    buildTable(DISTANCE_TABLE, LENGTHS + literalCount, distanceCount, DISTANCE_MEANINGS, DISTANCE_BITS) &&
    buildTable(LITERAL_TABLE, LENGTHS, literalCount, LITERAL_MEANINGS, LITERAL_BITS)
  );
}

/** Gives back the bytes that wait as whole ones. */
// @ts-ignore: decorator
@inline
function toByte(): void {
  at -= <usize>((held & 63) >> 3);
  bits = 0;
  held = 0;
}

function copyStored(): i32 {
  toByte();
  ensure(4);
  if (at + 4 > end) return CUT;
  const length = <usize>load<u16>(at);
  if (load<u16>(at, 2) != <u16>~length) return REFUSED;
  at += 4;
  if (to + length > limit) return REFUSED;
  ensure(length);
  if (at + length > end) return CUT;
  memory.copy(to, at, length);
  to += length;
  at += length;
  return 0;
}

function decodeBlock(type: u32): i32 {
  if (type == 3) return REFUSED;
  if (type == 1) {
    literals = FIXED_LITERAL_TABLE;
    distances = FIXED_DISTANCE_TABLE;
  } else if (!readCodes()) return REFUSED;
  // Eight bytes behind the end may lie in the bits that wait and never be used.
  let result = symbols(ended ? end + 8 : end - ROUND);
  while (result == INPUT_END && !ended) {
    ensure(HEADER_ROOM);
    result = symbols(ended ? end + 8 : end - ROUND);
  }
  return result == BLOCK_END ? 0 : result == UNUSUAL ? REFUSED : CUT;
}

/** Length of the output, which is at most `most` bytes; CUT where the input ends before the data, REFUSED for all else. */
export function inflate(most: usize): i32 {
  at = INPUT;
  end = INPUT;
  ended = false;
  to = output;
  limit = output + most;
  bits = 0;
  held = 0;
  for (let last: u32 = 0; last == 0; ) {
    ensure(HEADER_ROOM);
    if (at > end + 8) return CUT;
    refill();
    last = take(1);
    const type = take(2);
    const result = type == 0 ? copyStored() : decodeBlock(type);
    if (result != 0) return result;
  }
  toByte();
  if (at > end) return CUT;
  return to > limit ? REFUSED : <i32>(to - output);
}
