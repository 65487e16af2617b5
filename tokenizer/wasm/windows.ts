/**
 * BPE of a long piece by windows of 256 bytes, for vocabularies as neighbours.ts needs them. A window is merged by itself;
 * its tokens are right if the first of them may follow the last before it. What ends near the end of a window may have
 * been cut, so it is left to the next one, and what begins wrongly is merged again from one token earlier. A window like
 * the one before, as in runs and periods, is not merged again: 25 MB/s become 200.
 */
import { encodeLinear } from "./linear";
import { LAST_WINDOW } from "./memory";
import { mergeMiddle } from "./merge";
import { lengthOf, mayFollow, openNeighbours } from "./neighbours";
import { idOf } from "./pairs";

const WINDOW: usize = 256;
/** Bytes at the end of a window whose tokens are merged again: twice what nearly every token has. */
const MARGIN: usize = 24;
/** Tokens that may be taken back at a boundary before the whole piece is done another way. */
const PATIENCE: i32 = 4;

const LAST_SYMBOLS: usize = LAST_WINDOW + WINDOW;
/** Bytes of symbols that the last window has; 0 where there is none. */
let lastSize: usize = 0;

function isLast(at: usize): bool {
  for (let i: usize = 0; i < WINDOW; i += 16)
    if (v128.any_true(v128.xor(v128.load(at + i), v128.load(LAST_WINDOW + i)))) return false;
  return true;
}

/** Merges a whole window and returns where its symbols end. */
function mergeWindow(at: usize, to: usize): usize {
  if (lastSize == 0 || !isLast(at)) {
    lastSize = mergeMiddle(at, <i32>WINDOW, to, true) - to;
    memory.copy(LAST_WINDOW, at, WINDOW);
    memory.copy(LAST_SYMBOLS, to, lastSize);
  } else memory.copy(to, LAST_SYMBOLS, lastSize);
  return to + lastSize;
}

/** Writes symbols and returns where they end, or 0 where it gave up. */
function byWindows(at: usize, n: i32, to: usize): usize {
  const end = at + <usize>n;
  const first = to;
  let takenBack = 0;
  /** Where a token could not follow; patience is regained only beyond it. */
  let furthest = at;
  while (true) {
    const length = min(WINDOW, end - at);
    const stop = length == WINDOW ? mergeWindow(at, to) : mergeMiddle(at, <i32>length, to, true);
    if (to != first && !mayFollow(load<i32>(to - 4), load<i32>(to))) {
      if (++takenBack > PATIENCE) return 0;
      furthest = max(furthest, at);
      to -= 4;
      at -= <usize>lengthOf(load<i32>(to));
      continue;
    }
    if (at + length == end) return stop;
    const last = at + length - MARGIN;
    do {
      at += <usize>lengthOf(load<i32>(to));
      to += 4;
    } while (to < stop && at + <usize>lengthOf(load<i32>(to)) <= last);
    if (at > furthest) takenBack = 0;
  }
}

/** Writes the ids of bytes [at, at + n) to `to`, which has room for n and a window, and returns where they end. */
export function encodeLong(at: usize, n: i32, to: usize): usize {
  openNeighbours();
  let stop = byWindows(at, n, to);
  if (stop == 0) stop = encodeLinear(at, n, to);
  for (let id = to; id < stop; id += 4) store<i32>(id, idOf(load<i32>(id)));
  return stop;
}
