/**
 * What a thread runs. An op is a number and a count of pieces; threads take pieces with one atomic add each. A
 * piece's work and place do not depend on which thread takes it, so results are the same for any number of threads.
 * The numbers of the ops are those of kernels/cpu/threads.ts.
 */
import * as attentions from "./attention";
import { EPOCH, FINISHED, OP, setThread, SLEEPING, STATE, STOP } from "./control";
import * as elementwise from "./elementwise";
import * as embeds from "./embed";
import { productOfFewRows } from "./few-rows";
import { crossEntropy } from "./loss";
import * as products from "./matmul";
import * as norms from "./norm";
import * as optimizers from "./optimizer";
import { storeConstants } from "./simd";

export { setThread, storeConstants };

function perform(op: i32, piece: i32): void {
  switch (op) {
    case 0: return products.packB(piece);
    case 1: return products.product(piece);
    case 2: return productOfFewRows(piece);
    case 3: return products.biasBackward(piece);
    case 4: return attentions.attention(piece);
    case 5: return attentions.attentionBackward(piece);
    case 6: return attentions.appendCache(piece);
    case 7: return attentions.attentionCached(piece);
    case 8: return norms.layerNorm(piece);
    case 9: return norms.rmsNorm(piece);
    case 10: return norms.normBackward(piece);
    case 11: return norms.normReduce(piece);
    case 12: return elementwise.add(piece);
    case 13: return elementwise.gelu(piece);
    case 14: return elementwise.geluBackward(piece);
    case 15: return elementwise.swiglu(piece);
    case 16: return elementwise.swigluBackward(piece);
    case 17: return elementwise.rope(piece);
    case 18: return elementwise.fill(piece);
    case 19: return elementwise.copy(piece);
    case 20: return embeds.embed(piece);
    case 21: return embeds.embedBackward(piece);
    case 22: return crossEntropy(piece);
    case 23: return optimizers.sumSquares(piece);
    case 24: return optimizers.normOfPartials(piece);
    case 25: return optimizers.adamw(piece);
    case 26: return optimizers.momentum(piece);
    case 27: return optimizers.combine(piece);
    case 28: return products.mirror(piece);
    default: unreachable();
  }
}

// @ts-ignore: decorator
@inline
function piecesOf(state: i64): i32 {
  return <i32>((state >> 24) & 0xffffff);
}

// @ts-ignore: decorator
@inline
function nextOf(state: i64): i32 {
  return <i32>(state & 0xffffff);
}

/** Takes pieces until none is left. A piece that was taken keeps the op's parameters from changing. */
function work(): void {
  while (true) {
    const seen = atomic.load<i64>(STATE);
    if (nextOf(seen) >= piecesOf(seen)) return;
    const taken = atomic.add<i64>(STATE, 1);
    if (nextOf(taken) >= piecesOf(taken)) return;
    perform(load<i32>(OP), nextOf(taken));
    atomic.add<i32>(FINISHED, 1);
  }
}

/** The op alone on this thread: what a device of one thread runs. */
export function alone(op: i32, pieces: i32): void {
  for (let piece = 0; piece < pieces; piece++) perform(op, piece);
}

/**
 * Gives the op out to all threads and takes part until it is done. Only the main thread calls it. `patience`: polls
 * before it sleeps, to look again after 100 µs, for another program may have the core that the last piece needs.
 */
export function launch(op: i32, pieces: i32, patience: i32): void {
  store<i32>(OP, op);
  atomic.store<i32>(FINISHED, 0);
  const generation = (atomic.load<i64>(STATE) >> 48) + 1;
  atomic.store<i64>(STATE, (generation << 48) | ((<i64>pieces) << 24));
  atomic.add<i32>(EPOCH, 1);
  if (atomic.load<i32>(SLEEPING)) atomic.notify(EPOCH, min(pieces - 1, 1024));
  work();
  while (true) {
    const finished = atomic.load<i32>(FINISHED);
    if (finished == pieces) return;
    if (patience > 0) patience--;
    else atomic.wait<i32>(FINISHED, finished, 100000);
  }
}

/** A worker thread's life: work, look for more for a while, sleep until the next launch. Returns when told to stop. */
export function serve(thread: i32, patience: i32): void {
  setThread(thread);
  while (true) {
    let epoch = atomic.load<i32>(EPOCH);
    if (atomic.load<i32>(STOP)) return;
    work();
    let left = patience;
    while (left > 0 && atomic.load<i32>(EPOCH) == epoch) left--;
    if (atomic.load<i32>(EPOCH) != epoch) continue;
    atomic.add<i32>(SLEEPING, 1);
    atomic.wait<i32>(EPOCH, epoch, -1);
    atomic.sub<i32>(SLEEPING, 1);
  }
}
