/**
 * The part of the MinHash kernel that reads text: `normalise` makes tokens of UTF-8 text by a table of characters, `tokens`
 * finds them in text that is normalised already. Both write where each token starts, and put one space between two.
 */
import * as w from "../wasm-assembler.ts";
import { type Code, get, i32, int, set, v128, type WasmFunction } from "../wasm-assembler.ts";
import { kinds } from "./normalise.ts";

/** tokens(text, length, starts): squeezes runs of spaces, writes where each word starts (u32), gives the number of words. */
export const tokens: WasmFunction = (() => {
  const [text, length, starts, at, out, count, byte, inside] = [0, 1, 2, 3, 4, 5, 6, 7];
  return {
    name: "tokens",
    parameters: [i32, i32, i32],
    results: [i32],
    locals: [i32, i32, i32, i32, i32],
    body: [
      set(at!, get(text!)),
      set(out!, get(text!)),
      set(length!, w.add(get(text!), get(length!))),
      w.block(
        w.loop(
          w.jumpIf(1, w.geU(get(at!), get(length!))),
          set(byte!, w.load8(get(at!))),
          set(at!, w.add(get(at!), int(1))),
          w.when(
            w.eq(get(byte!), int(0x20)),
            w.when(
              get(inside!),
              w.store8(get(out!), int(0x20)),
              set(out!, w.add(get(out!), int(1))),
              set(inside!, int(0)),
            ),
            w.jump(1),
          ),
          w.when(
            w.eq(get(inside!), int(0)),
            w.store(w.add(get(starts!), w.shl(get(count!), int(2))), get(out!)),
            set(count!, w.add(get(count!), int(1))),
            set(inside!, int(1)),
          ),
          w.store8(get(out!), get(byte!)),
          set(out!, w.add(get(out!), int(1))),
          w.jump(0),
        ),
      ),
      // One more start, so that every word ends one byte before the next start.
      w.when(get(inside!), set(out!, w.add(get(out!), int(1)))),
      w.store(w.add(get(starts!), w.shl(get(count!), int(2))), get(out!)),
      get(count!),
    ],
  };
})();

/** Offsets in the state of `normalise`, u32 each. */
export const stateWords = { source: 0, end: 1, target: 2, starts: 3, inside: 4, number: 5 } as const;

/**
 * normalise(state, table, sequences, keeps): from UTF-8 text to tokens. Writes normalised bytes with one space between tokens to
 * `target` and where each token starts (u32) to `starts`. `table` has one word for each character of the first plane: kind, then
 * up to three bytes. Stops with 0 at the end, 1 at a character that has no entry yet (it or the next one), 2 at one
 * that the table cannot settle; the caller settles it and calls again. `keeps`: a character that vanishes does not
 * end a number.
 */
export const normalise: WasmFunction = (() => {
  const [state, table, sequences, keeps] = [0, 1, 2, 3] as const;
  const [source, end, target, starts, inside, number] = [4, 5, 6, 7, 8, 9] as const;
  const [next, value, kind, byte, point, after, entry] = [10, 11, 12, 13, 14, 15, 16] as const;
  const [run, lower] = [17, 18] as const;
  const saved = [source, end, target, starts, inside, number] as const;
  const bits = (at: number, offset: number) => w.and(w.load8(get(at), offset), int(0x3f));
  /** Reads the character at local `at` into `point` and where it ends into `into`; 0xffff beyond the first plane. */
  const decode = (at: number, into: number): Code => [
    set(byte, w.load8(get(at))),
    set(point, get(byte)),
    set(into, w.add(get(at), int(1))),
    w.when(
      w.geU(get(byte), int(0x80)),
      w.when(
        w.ltU(get(byte), int(0xe0)),
        set(point, w.or(w.shl(w.and(get(byte), int(0x1f)), int(6)), bits(at, 1))),
        set(into, w.add(get(at), int(2))),
      ),
      w.when(
        w.geU(get(byte), int(0xe0)),
        set(
          point,
          w.or(w.shl(w.and(get(byte), int(0x0f)), int(12)), w.or(w.shl(bits(at, 1), int(6)), bits(at, 2))),
        ),
        set(into, w.add(get(at), int(3))),
      ),
      w.when(w.geU(get(byte), int(0xf0)), set(point, int(0xffff))),
    ),
  ];
  const look = w.load(w.add(get(table), w.shl(get(point), int(2))));
  const leave = (status: number): Code => [
    ...saved.map((local, i) => w.store(get(state), get(local), 4 * i)),
    int(status),
    [0x0f],
  ];
  const begin = w.when(
    w.eq(get(inside), int(0)),
    w.store(get(starts), get(target)),
    set(starts, w.add(get(starts), int(4))),
    set(inside, int(1)),
  );
  const advance = (local: number, by: Code) => set(local, w.add(get(local), by));
  const gap = w.when(
    get(inside),
    w.store8(get(target), int(0x20)),
    advance(target, int(1)),
    set(inside, int(0)),
  );
  const bytesV = (byteOf: number) => w.wordsV(byteOf * 0x01010101);
  /**
   * A run of ASCII letters is most of a text and depends on nothing: up to 16 at once, in lower case, and the space behind
   * them. Comparing with sign: moved up by 0x1f the letters are the lowest 26 numbers.
   */
  const letters: Code = [
    set(lower, w.orV(w.loadV(get(source)), bytesV(0x20))),
    set(run, w.signs8(w.ltS8(w.add8(get(lower), bytesV(0x1f)), bytesV(0x9a)))),
    set(run, w.ctz(w.sub(int(-1), get(run)))),
    w.when(
      get(run),
      set(byte, w.sub(get(end), get(source))),
      set(run, w.select(get(run), get(byte), w.ltU(get(run), get(byte)))),
      set(number, int(0)),
      begin,
      w.storeV(get(target), get(lower)),
      set(target, w.add(get(target), get(run))),
      set(source, w.add(get(source), get(run))),
      w.when(w.geU(get(source), get(end)), w.jump(2)),
      w.when(w.eq(w.load8(get(source)), int(0x20)), gap, set(source, w.add(get(source), int(1))), w.jump(2)),
    ),
  ];
  const is = (which: number) => w.eq(get(kind), int(which));
  const done = (depth: number): Code => [set(source, get(next)), w.jump(depth)];
  return {
    name: "normalise",
    parameters: [i32, i32, i32, i32],
    results: [i32],
    locals: [...new Array<w.ValueType>(14).fill(i32), v128],
    body: [
      ...saved.map((local, i) => set(local, w.load(get(state), 4 * i))),
      w.loop(
        w.when(w.geU(get(source), get(end)), leave(0)),
        letters,
        decode(source, next),
        set(value, look),
        // A separator between two digits belongs to the number, once.
        w.when(
          w.and(w.shrU(get(value), int(7)), w.and(int(1), w.eq(get(number), int(1)))),
          w.when(
            w.ltU(get(next), get(end)),
            decode(next, after),
            set(kind, w.and(look, int(0x7f))),
            w.when(w.eq(get(kind), int(0)), leave(1)),
            w.when(is(kinds.digit), set(number, int(2)), done(3)),
          ),
        ),
        set(kind, w.and(get(value), int(0x7f))),
        w.when(
          w.ltU(w.sub(get(kind), int(1)), int(3)),
          set(number, int(0)),
          begin,
          w.store(get(target), w.shrU(get(value), int(8))),
          advance(target, get(kind)),
          done(1),
        ),
        w.when(is(kinds.space), set(number, int(0)), gap, done(1)),
        w.when(
          is(kinds.digit),
          w.when(
            w.eq(get(number), int(0)),
            begin,
            w.store8(get(target), int(0x30)),
            advance(target, int(1)),
            set(number, int(1)),
          ),
          done(1),
        ),
        w.when(is(kinds.nothing), set(number, w.select(get(number), int(0), get(keeps))), done(1)),
        w.when(
          is(kinds.sequence),
          set(number, int(0)),
          begin,
          set(entry, w.add(get(sequences), w.shl(w.shrU(get(value), int(8)), int(4)))),
          w.storeV(get(target), w.loadV(get(entry), 1)),
          advance(target, w.load8(get(entry))),
          done(1),
        ),
        w.when(
          is(kinds.alone),
          set(number, int(0)),
          gap,
          begin,
          w.store(get(target), w.shrU(get(value), int(8))),
          advance(target, int(3)),
          gap,
          done(1),
        ),
        w.when(w.eq(get(kind), int(0)), leave(1)),
        leave(2),
      ),
      int(0),
    ],
  };
})();
