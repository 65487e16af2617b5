/**
 * DEFLATE streams of every kind, drawn from a seed: what zlib writes at each level and strategy, and blocks written here
 * bit by bit, with codes of up to 15 bits, one distance or none, and now and then something that no encoder would write.
 * Knows no reader.
 */
import { constants, deflateRawSync } from "node:zlib";
import type { Random } from "../../lib/random.ts";
import { pick } from "./mutate.ts";

/** Text, runs, short periods, noise, and mixtures of these, up to `longest` bytes. */
export function drawContent(draw: Random, longest: number): Buffer {
  const parts: Buffer[] = [];
  for (let left = draw.below(longest + 1); left > 0; ) {
    const length = 1 + draw.below(left);
    left -= length;
    const alphabet = pick(draw, [1, 2, 3, 20, 100, 256]);
    const period = pick(draw, [1, 2, 3, 7, 15, 16, 17, 31, 33, 500, 32_768, length]);
    const one = Buffer.alloc(Math.min(period, length));
    for (let i = 0; i < one.length; i++) one[i] = (97 + draw.below(alphabet)) & 255;
    parts.push(Buffer.alloc(length, one));
  }
  return Buffer.concat(parts);
}

const strategies = [
  constants.Z_DEFAULT_STRATEGY,
  constants.Z_FILTERED,
  constants.Z_HUFFMAN_ONLY,
  constants.Z_RLE,
  constants.Z_FIXED,
];

/** What zlib makes of some content. */
export function drawDeflated(draw: Random, longest: number): Buffer {
  return deflateRawSync(drawContent(draw, longest), {
    level: draw.below(10),
    strategy: pick(draw, strategies),
    windowBits: 9 + draw.below(7),
    memLevel: 1 + draw.below(9),
  });
}

type Bits = { add(value: number, count: number): void; align(): void; bytes(): Buffer };

function bitWriter(): Bits {
  const bytes: number[] = [];
  let free = 0;
  const add = (value: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      if (free === 0) free = bytes.push(0) > 0 ? 8 : 0;
      bytes[bytes.length - 1]! |= ((value >>> i) & 1) << (8 - free);
      free--;
    }
  };
  return {
    add,
    align: () => {
      free = 0;
    },
    bytes: () => Buffer.from(bytes),
  };
}

/** Lengths of a complete code for `used` of `symbols` symbols, split at random down to `longest` bits. */
function drawLengths(draw: Random, symbols: number, used: readonly number[], longest: number): Uint8Array {
  const leaves = [0];
  while (leaves.length < used.length) {
    // Often the deepest leaf, so that codes grow long.
    const at = draw.below(3) === 0 ? draw.below(leaves.length) : leaves.length - 1;
    const length = leaves[at]!;
    if (length < longest) leaves.splice(at, 1, length + 1, length + 1);
    else leaves.sort((a, b) => draw.below(2) - 1 || a - b);
    if (length >= longest) leaves.push(leaves.splice(0, 1)[0]!);
  }
  const lengths = new Uint8Array(symbols);
  for (const [i, symbol] of used.entries()) lengths[symbol] = leaves[i]!;
  return lengths;
}

/** The codes of the lengths, as their bits are written. */
function codesOf(lengths: Uint8Array): number[] {
  const codes = new Array<number>(lengths.length).fill(0);
  let code = 0;
  for (let length = 1; length <= 15; length++) {
    for (const [symbol, one] of lengths.entries()) {
      if (one !== length) continue;
      for (let bit = 0; bit < length; bit++) codes[symbol]! |= ((code >>> (length - 1 - bit)) & 1) << bit;
      code++;
    }
    code <<= 1;
  }
  return codes;
}

const headerOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Code lengths as a header has them; runs are written as such at random. */
function writeLengths(bits: Bits, draw: Random, all: readonly number[]): void {
  const ops: (readonly [symbol: number, extra: number, count: number])[] = [];
  for (let i = 0; i < all.length; ) {
    let run = 1;
    while (i + run < all.length && all[i + run] === all[i]) run++;
    if (all[i] === 0 && run >= 11 && draw.below(8) > 0) {
      run = Math.min(run, 138);
      ops.push([18, run - 11, 7]);
    } else if (all[i] === 0 && run >= 3 && draw.below(8) > 0) {
      run = Math.min(run, 10);
      ops.push([17, run - 3, 3]);
    } else if (i > 0 && all[i - 1] === all[i] && run >= 3 && draw.below(8) > 0) {
      run = Math.min(run, 6);
      ops.push([16, run - 3, 2]);
    } else {
      run = 1;
      ops.push([all[i]!, 0, 0]);
    }
    i += run;
  }
  const used = new Set(ops.map(([symbol]) => symbol));
  if (used.size === 1) used.add(used.has(0) ? 1 : 0);
  const lengths = drawLengths(draw, 19, [...used], 7);
  const codes = codesOf(lengths);
  const count = Math.max(4, 19 - [...headerOrder].reverse().findIndex(symbol => lengths[symbol]! > 0));
  bits.add(count - 4, 4);
  for (const symbol of headerOrder.slice(0, count)) bits.add(lengths[symbol]!, 3);
  for (const [symbol, extra, more] of ops) {
    bits.add(codes[symbol]!, lengths[symbol]!);
    bits.add(extra, more);
  }
}

function drawSymbols(draw: Random, from: number, to: number, most: number): number[] {
  const chosen = new Set<number>();
  for (let left = draw.below(most + 1); left > 0; left--) chosen.add(from + draw.below(to - from));
  return [...chosen];
}

const lengthBits = (symbol: number): number => (symbol < 265 || symbol === 285 ? 0 : (symbol - 261) >> 2);
const distanceBits = (symbol: number): number => (symbol < 4 ? 0 : (symbol - 2) >> 1);
const distanceBase = (symbol: number): number =>
  symbol < 4 ? symbol + 1 : ((2 + (symbol & 1)) << distanceBits(symbol)) + 1;

/** A block of random codes and random symbols; `odd` allows what is wrong. Gives the bytes it adds, at least. */
function writeBlock(bits: Bits, draw: Random, before: number, odd: boolean): number {
  const literals = drawSymbols(draw, 0, 256, 200);
  const lengths = drawSymbols(draw, 257, odd && draw.below(20) === 0 ? 288 : 286, 12);
  const near = drawSymbols(draw, 0, odd && draw.below(20) === 0 ? 32 : 30, pick(draw, [1, 1, 6, 30]));
  const long = drawLengths(draw, 288, [256, ...(literals.length > 0 ? literals : [97]), ...lengths], 15);
  const far =
    near.length === 1 ? new Uint8Array(32).fill(1, near[0], near[0]! + 1) : drawLengths(draw, 32, near, 15);
  if (odd && draw.below(10) === 0) long[draw.below(288)] = draw.below(16);
  if (odd && draw.below(10) === 0) far[draw.below(32)] = draw.below(16);
  const longCount = Math.max(257, 288 - [...long].reverse().findIndex(length => length > 0));
  const farCount = Math.max(
    1,
    32 - (near.length === 0 ? 32 : [...far].reverse().findIndex(length => length > 0)),
  );
  bits.add(longCount - 257, 5);
  bits.add(farCount - 1, 5);
  writeLengths(bits, draw, [...long.subarray(0, longCount), ...far.subarray(0, farCount)]);
  const [longCodes, farCodes] = [codesOf(long), codesOf(far)];
  let written = before;
  for (let left = draw.below(600); left > 0; left--) {
    const reach = near.filter(symbol => distanceBase(symbol) <= written || (odd && draw.below(200) === 0));
    if (lengths.length > 0 && reach.length > 0 && draw.below(3) === 0) {
      const symbol = pick(draw, lengths);
      bits.add(longCodes[symbol]!, long[symbol]!);
      bits.add(draw.next(), lengthBits(symbol));
      const distance = pick(draw, reach);
      const room = Math.min(1 << distanceBits(distance), Math.max(1, written - distanceBase(distance) + 1));
      bits.add(farCodes[distance]!, far[distance]!);
      bits.add(draw.below(room), distanceBits(distance));
      written += 3;
    } else if (literals.length > 0) {
      const symbol = pick(draw, literals);
      bits.add(longCodes[symbol]!, long[symbol]!);
      written++;
    }
  }
  bits.add(longCodes[256]!, long[256]!);
  return written - before;
}

/** Some blocks written here: right ones, or with `odd` now and then wrong ones. */
export function drawBlocks(draw: Random, odd: boolean): Buffer {
  const bits = bitWriter();
  let written = 0;
  for (let left = draw.below(4); left >= 0; left--) {
    bits.add(left === 0 ? 1 : 0, 1);
    const type = odd && draw.below(40) === 0 ? 3 : draw.below(4) === 0 ? 0 : 2;
    bits.add(type, 2);
    if (type === 2) written += writeBlock(bits, draw, written, odd);
    if (type !== 0) continue;
    bits.align();
    const content = drawContent(draw, pick(draw, [0, 5, 3000]));
    bits.add(content.length, 16);
    bits.add(odd && draw.below(20) === 0 ? draw.below(65_536) : ~content.length, 16);
    for (const byte of content) bits.add(byte, 8);
    written += content.length;
  }
  return bits.bytes();
}
