/**
 * BPE of a long piece by longest tokens, in time proportional to its length, for vocabularies as neighbours.ts needs
 * them: take the longest token that may follow the last, a shorter one where it may not, and go back where no shorter one
 * is left. A position that was gone back from is never tried again, so no piece costs more than its length times the
 * longest token. Runs of a letter go at 180 MB/s, random letters and "=====" at 1 to 4, and the trie takes 30 ms to
 * build, so this is for pieces that windows.ts cannot do.
 */
import { take } from "./memory";
import { lengthOf, leftOf, mayFollow, rightOf } from "./neighbours";
import { mergeCount } from "./pairs";

/** The longest shorter token that a token begins with, or -1; by symbol. */
let shorterTokens: usize = 0;
/** Longest token that ends at a node of the trie or above it. Nodes 0 to 255 are the single bytes. */
let nearest: usize = 0;
/** Nodes of two bytes; 0 where there is none. */
let seconds: usize = 0;
/** Deeper nodes, open addressing: parent << 8 | byte, plus one, in the upper half, node in the lower. */
let deeper: usize = 0;
let mask: u32 = 0;
let shift: u32 = 0;
let nodes: i32 = 0;

let visited: usize = 0;
let visitedBytes: usize = 0;

// @ts-ignore: decorator
@inline
function shorter(symbol: i32): i32 {
  return load<i32>(shorterTokens + (<usize>symbol << 2));
}

// @ts-ignore: decorator
@inline
function slotOf(node: i32, byte: i32): u32 {
  return ((<u32>((node << 8) | byte)) * 0x9e3779b1) >> shift;
}

/** The node one byte below another, or 0. */
// @ts-ignore: decorator
@inline
function below(node: i32, byte: i32): i32 {
  if (node < 256) return load<i32>(seconds + (<usize>((node << 8) | byte) << 2));
  const key = <u32>((node << 8) | byte) + 1;
  let at = slotOf(node, byte);
  while (true) {
    const found = load<u64>(deeper + (<usize>at << 3));
    if (<u32>(found >> 32) == key) return <i32>found;
    if (found == 0) return 0;
    at = (at + 1) & mask;
  }
}

function added(node: i32, byte: i32): i32 {
  const made = nodes++;
  if (node < 256) {
    store<i32>(seconds + (<usize>((node << 8) | byte) << 2), made);
    return made;
  }
  let at = slotOf(node, byte);
  while (load<u64>(deeper + (<usize>at << 3)) != 0) at = (at + 1) & mask;
  const key = <u64>((node << 8) | byte) + 1;
  store<u64>(deeper + (<usize>at << 3), (key << 32) | <u64>made);
  return made;
}

function build(): void {
  const count = 256 + mergeCount;
  shorterTokens = take(<usize>count << 2);
  const starts = take(<usize>count << 2);
  let bytes = 256;
  let most = 256;
  for (let symbol = 256; symbol < count; symbol++) {
    bytes += lengthOf(symbol);
    most += lengthOf(rightOf(symbol));
  }
  let log: u32 = 8;
  while (2 << log < 3 * most) log++;
  mask = (1 << log) - 1;
  shift = 32 - log;
  seconds = take(65536 << 2);
  deeper = take(<usize>8 << log);
  nearest = take(<usize>most << 2);
  const parents = take(<usize>most << 2);
  const ends = take(<usize>count << 2);
  const arena = take(<usize>bytes);
  nodes = 256;
  let written: usize = 0;
  for (let symbol = 0; symbol < count; symbol++) {
    const start = arena + written;
    store<usize>(starts + (<usize>symbol << 2), start);
    let node = symbol;
    if (symbol < 256) {
      store<u8>(start, <u8>symbol);
      store<i32>(nearest + (<usize>symbol << 2), symbol);
    } else {
      const left = leftOf(symbol);
      const right = rightOf(symbol);
      const from = load<usize>(starts + (<usize>right << 2));
      memory.copy(start, load<usize>(starts + (<usize>left << 2)), lengthOf(left));
      memory.copy(start + lengthOf(left), from, lengthOf(right));
      node = load<i32>(ends + (<usize>left << 2));
      for (let i = 0; i < lengthOf(right); i++) {
        const byte = <i32>load<u8>(from + <usize>i);
        let child = below(node, byte);
        if (child == 0) {
          child = added(node, byte);
          store<i32>(nearest + (<usize>child << 2), -1);
          store<i32>(parents + (<usize>child << 2), node);
        }
        node = child;
      }
      store<i32>(nearest + (<usize>node << 2), symbol);
    }
    store<i32>(ends + (<usize>symbol << 2), node);
    written += lengthOf(symbol);
  }
  // Parents come before their children.
  for (let symbol = 0; symbol < 256; symbol++) store<i32>(shorterTokens + (<usize>symbol << 2), -1);
  for (let node = 256; node < nodes; node++) {
    const above = load<i32>(nearest + (<usize>load<i32>(parents + (<usize>node << 2)) << 2));
    const own = nearest + (<usize>node << 2);
    const symbol = load<i32>(own);
    if (symbol < 0) store<i32>(own, above);
    else store<i32>(shorterTokens + (<usize>symbol << 2), above);
  }
}

/** The longest token at `at`. */
// @ts-ignore: decorator
@inline
function longest(at: usize, end: usize): i32 {
  let node = <i32>load<u8>(at);
  while (++at < end) {
    const next = below(node, <i32>load<u8>(at));
    if (next == 0) break;
    node = next;
  }
  return load<i32>(nearest + (<usize>node << 2));
}

/** Writes the symbols of bytes [at, at + n) to `to` and returns where they end. */
export function encodeLinear(at: usize, n: i32, to: usize): usize {
  if (nodes == 0) build();
  const words = (n >> 6) + 1;
  if (visitedBytes < <usize>words << 3) {
    visitedBytes = <usize>words << 4;
    visited = take(visitedBytes);
  }
  memory.fill(visited, 0, <usize>words << 3);
  const end = at + <usize>n;
  const first = to;
  let position: usize = 0;
  let token = longest(at, end);
  for (;;) {
    const next = position + <usize>lengthOf(token);
    const dead = load<u64>(visited + (next >> 6 << 3)) >> (next & 63) & 1;
    if (!dead && (to == first || mayFollow(load<i32>(to - 4), token))) {
      store<i32>(to, token);
      to += 4;
      position = next;
      if (position == <usize>n) break;
      token = longest(at + position, end);
      continue;
    }
    token = shorter(token);
    while (token < 0) {
      // Nothing fits here: the token before must be shorter.
      const word = visited + (position >> 6 << 3);
      store<u64>(word, load<u64>(word) | ((<u64>1) << (position & 63)));
      if (to == first) unreachable();
      to -= 4;
      const last = load<i32>(to);
      position -= <usize>lengthOf(last);
      token = shorter(last);
    }
  }
  return to;
}
