/**
 * Embeddings. Backward works by blocks of columns, each over all positions in order: no two pieces touch the same
 * element, and the order of every sum is the order of the tokens.
 */
import { int, pointer } from "./control";
import { at } from "./simd";

/** Piece: a block of rows. 0 out, 1 ids, 2 wte, 3 wpe or 0, 4 N, 5 T, 6 C, 7 position, 8 rows a block. */
export function embed(piece: i32): void {
  const C = int(6);
  const first = piece * int(8);
  const last = min(int(4), first + int(8));
  for (let n = first; n < last; n++) {
    const out = at(pointer(0), n * C);
    const token = at(pointer(2), load<i32>(at(pointer(1), n)) * C);
    if (!pointer(3)) {
      memory.copy(out, token, (<usize>C) << 2);
      continue;
    }
    addTo(out, token, at(pointer(3), (int(7) + (n % int(5))) * C), C);
  }
}

// @ts-ignore: decorator
@inline
function addTo(out: usize, a: usize, b: usize, C: i32): void {
  let c = 0;
  for (; c + 4 <= C; c += 4) v128.store(at(out, c), f32x4.add(v128.load(at(a, c)), v128.load(at(b, c))));
  for (; c < C; c++) store<f32>(at(out, c), load<f32>(at(a, c)) + load<f32>(at(b, c)));
}

/** Piece: a block of columns. 0 dwte, 1 dwpe or 0, 2 ids, 3 dout, 4 N, 5 T, 6 C, 7 columns a block. */
export function embedBackward(piece: i32): void {
  const C = int(6);
  const first = piece * int(7);
  const width = min(C - first, int(7));
  for (let n = 0; n < int(4); n++) {
    const d = at(pointer(3), n * C + first);
    const token = at(pointer(0), load<i32>(at(pointer(2), n)) * C + first);
    addTo(token, token, d, width);
    if (pointer(1)) {
      const position = at(pointer(1), (n % int(5)) * C + first);
      addTo(position, position, d, width);
    }
  }
}
