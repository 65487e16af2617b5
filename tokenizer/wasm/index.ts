/**
 * The inner loop of encoding in WebAssembly: text to ids by one of three families of patterns. Words of ASCII letters,
 * half to three quarters of all pieces, are found 16 bytes at a time; everything else goes through scan.ts.
 * Every function of tokenizer/kernel.ts is here; constants come from memory because V8 builds a constant vector anew at
 * every use.
 */
import { CONSTANTS, inputAt, outputAt } from "./memory";
import { encodePiece } from "./pieces";
import { scanCl100k, scanGpt2, scanO200k } from "./scan";

export { inputAt, outputAt, room } from "./memory";
export { enterPairs, idsAt, takePairs } from "./pairs";
export { learn, merged, takeCache } from "./pieces";
export { setFamily } from "./scan";

export function storeConstants(): void {
  v128.store(CONSTANTS, i8x16.splat(0x20));
  v128.store(CONSTANTS, i8x16.splat(0x61), 16);
  v128.store(CONSTANTS, i8x16.splat(25), 32);
}

/** A bit for each of 16 bytes: whether it is an ASCII letter of either case. */
// @ts-ignore: decorator
@inline
function lettersAt(at: usize): i32 {
  const lower = i8x16.sub(v128.or(v128.load(at), v128.load(CONSTANTS)), v128.load(CONSTANTS, 16));
  return i8x16.bitmask(i8x16.le_u(lower, v128.load(CONSTANTS, 32)));
}

/** The same for lower case alone. */
// @ts-ignore: decorator
@inline
function smallLettersAt(at: usize): i32 {
  const lower = i8x16.sub(v128.load(at), v128.load(CONSTANTS, 16));
  return i8x16.bitmask(i8x16.le_u(lower, v128.load(CONSTANTS, 32)));
}

/** End of a word of up to 15 ASCII bytes with the space before it, or 0: something else, or it may go on. */
// @ts-ignore: decorator
@inline
function asciiWordEnd(at: usize, end: usize): usize {
  const space = load<u8>(at) == 0x20 ? 1 : 0;
  const length = ctz(~(lettersAt(at) >> space)) + space;
  const stop = at + <usize>length;
  return length > space && length < 16 && stop < end && load<u8>(stop) < 0x80 ? stop : 0;
}

/** Ids of the first `end` bytes of the text; their number. */
export function encodeGpt2(end: usize): i32 {
  let at = inputAt();
  let to = outputAt();
  const first = to;
  end += at;
  while (at < end) {
    let stop = asciiWordEnd(at, end);
    if (stop == 0) stop = scanGpt2(at, end);
    to = encodePiece(at, <i32>(stop - at), to);
    at = stop;
  }
  return <i32>(to - first) >> 2;
}

export function encodeCl100k(end: usize): i32 {
  let at = inputAt();
  let to = outputAt();
  const first = to;
  end += at;
  while (at < end) {
    let stop = asciiWordEnd(at, end);
    if (stop == 0) stop = scanCl100k(at, end);
    to = encodePiece(at, <i32>(stop - at), to);
    at = stop;
  }
  return <i32>(to - first) >> 2;
}

/** Capitals, then small letters; what follows is neither a letter nor a contraction. */
// @ts-ignore: decorator
@inline
function casedWordEnd(at: usize, end: usize): usize {
  const space = load<u8>(at) == 0x20 ? 1 : 0;
  const small = smallLettersAt(at) >> space;
  const capitals = (lettersAt(at) >> space) & ~small;
  const first = ctz(~capitals);
  const length = first + ctz(~(small >> first)) + space;
  const stop = at + <usize>length;
  if (length == space || length >= 16 || stop >= end) return 0;
  const next = load<u8>(stop);
  return next < 0x80 && next != 0x27 ? stop : 0;
}

export function encodeO200k(end: usize): i32 {
  let at = inputAt();
  let to = outputAt();
  const first = to;
  end += at;
  while (at < end) {
    let stop = casedWordEnd(at, end);
    if (stop == 0) stop = scanO200k(at, end);
    to = encodePiece(at, <i32>(stop - at), to);
    at = stop;
  }
  return <i32>(to - first) >> 2;
}
