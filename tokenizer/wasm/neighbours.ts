/**
 * Whether two tokens may stand beside each other in what merging gives, for vocabularies in which every merge makes a
 * token of its own out of two earlier ones and merging a token's bytes gives that token. There a row of tokens is what
 * merging gives if and only if each two neighbours may, and there is one such row.
 */
import { take } from "./memory";
import { mergeCount, merges, NONE, rankOf } from "./pairs";

const KNOWN_BITS: u64 = 13;
const KNOWN: u64 = 1 << 62;
/** Answers already given, in a table that forgets: KNOWN | left << 20 | right, then the answer as the lowest bit. */
let known: usize = 0;
/** Bytes of each symbol. */
let lengths: usize = 0;

/** Before anything else here is asked. */
export function openNeighbours(): void {
  if (known != 0) return;
  known = take(<usize>8 << <usize>KNOWN_BITS);
  lengths = take(<usize>(256 + mergeCount) << 2);
  for (let symbol = 0; symbol < 256 + mergeCount; symbol++) {
    const length = symbol < 256 ? 1 : lengthOf(leftOf(symbol)) + lengthOf(rightOf(symbol));
    store<i32>(lengths + (<usize>symbol << 2), length);
  }
}

// @ts-ignore: decorator
@inline
export function lengthOf(symbol: i32): i32 {
  return load<i32>(lengths + (<usize>symbol << 2));
}

/** The two parts of a symbol; a byte is its own. */
// @ts-ignore: decorator
@inline
export function leftOf(symbol: i32): i32 {
  return symbol < 256 ? symbol : load<i32>(merges + <usize>(symbol - 256) * 12);
}

// @ts-ignore: decorator
@inline
export function rightOf(symbol: i32): i32 {
  return symbol < 256 ? symbol : load<i32>(merges + <usize>(symbol - 256) * 12, 4);
}

/** What is merged last is taken apart first; a pair that merges earlier than that would have been taken. */
function stays(left: i32, right: i32): bool {
  let limit: i32 = i32.MAX_VALUE;
  while (true) {
    const rank = rankOf(left, right);
    if (rank != NONE && 256 + (rank >> 6) < limit) return false;
    if (left > right) {
      limit = left;
      left = rightOf(left);
      if (left != limit) continue;
      limit = right + 1;
      right = leftOf(right);
      if (right + 1 == limit) return true;
    } else {
      limit = right + 1;
      right = leftOf(right);
      if (right + 1 != limit) continue;
      limit = left;
      left = rightOf(left);
      if (left == limit) return true;
    }
  }
}

export function mayFollow(left: i32, right: i32): bool {
  const pair = ((<u64>left << 20) | <u64>right) | KNOWN;
  const slot = known + <usize>((pair * 0x9e3779b97f4a7c15) >> (64 - KNOWN_BITS) << 3);
  const answer = load<u64>(slot);
  if (answer >> 1 == pair) return <bool>(answer & 1);
  const found = stays(left, right);
  store<u64>(slot, (pair << 1) | <u64>found);
  return found;
}
