/**
 * The part of the MinHash kernel that hashes: SHA-1 of four n-grams side by side in SIMD lanes, all 80 rounds unrolled, and
 * XXH64. Four blocks cost little more than one: an n-gram of 30 bytes takes 42 ns by SHA-1 and 20 ns by XXH64 on one
 * core of an AMD EPYC, where createHash of node:crypto takes more than 1,000.
 * Sources: FIPS 180-4; the XXH64 specification (Collet).
 */
import * as w from "../wasm-assembler.ts";
import { type Code, get, i32, i64, int, set, v128, type WasmFunction } from "../wasm-assembler.ts";

const reverseBytes = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
const rotate = (v: Code, local: number, bits: number): Code => [
  set(local, v),
  w.orV(w.shl32V(get(local), bits), w.shrU32V(get(local), 32 - bits)),
];

/**
 * shaLanes(starts, n, hashes): SHA-1 of the four n-grams at `starts` (n words each, bytes from the first start to
 * one before the (n+1)-th), first eight bytes of each digest stored little-endian at `hashes`.
 */
export const shaLanes: WasmFunction = (() => {
  const [starts, n, hashes] = [0, 1, 2] as const;
  const from = [3, 4, 5, 6] as const;
  const length = [7, 8, 9, 10] as const;
  const [done, most, rest] = [11, 12, 13] as const;
  const h = [14, 15, 16, 17, 18] as const;
  const s = [19, 20, 21, 22, 23] as const;
  const word = Array.from({ length: 16 }, (_, i) => 24 + i);
  const [spare, mask, bits] = [40, 41, 42] as const;
  /** Constants in locals: as instructions they are built anew each time. */
  const k = [43, 44, 45, 46] as const;
  const [iota, stop, place] = [47, 48, 49] as const;
  /** Bytes of the lane that this block and later ones hold, as bytes from -1 to 65. */
  const left = [50, 51, 52, 53] as const;
  const block = [54, 55, 56, 57] as const;
  const initial = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const constants = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6];

  /** 16 bytes of one lane of the current block from 16 · quarter on, padded as SHA-1 asks; `place` numbers them. */
  const quarterOf = (lane: number, quarter: number): Code =>
    w.orV(
      w.andV(w.loadV(get(block[lane]!), 16 * quarter), w.ltS8(get(place), get(left[lane]!))),
      w.andV(w.eq8(get(place), get(left[lane]!)), get(stop)),
    );
  /** Loads quarter q of all lanes and transposes: word[4q + i] holds word i of every lane, big-endian. */
  const loadQuarter = (q: number): Code => {
    const rows = [word[4 * q]!, word[4 * q + 1]!, word[4 * q + 2]!, word[4 * q + 3]!];
    const low = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
    const high = [8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31];
    const first = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
    const second = [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31];
    const [r0, r1, r2, r3] = rows as [number, number, number, number];
    const [t0, t1, t2, t3] = [s[0], s[1], s[2], s[3]] as const;
    return [
      ...rows.map((row, lane) => set(row, w.shuffleV(quarterOf(lane, q), get(row), reverseBytes))),
      set(t0, w.shuffleV(get(r0), get(r1), low)),
      set(t1, w.shuffleV(get(r2), get(r3), low)),
      set(t2, w.shuffleV(get(r0), get(r1), high)),
      set(t3, w.shuffleV(get(r2), get(r3), high)),
      set(r0, w.shuffleV(get(t0), get(t1), first)),
      set(r1, w.shuffleV(get(t0), get(t1), second)),
      set(r2, w.shuffleV(get(t2), get(t3), first)),
      set(r3, w.shuffleV(get(t2), get(t3), second)),
    ];
  };

  const round = (t: number): Code => {
    const [a, b, c, d, e] = [0, 1, 2, 3, 4].map(k => s[(k + 80 * 5 - t) % 5]!) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const wt = word[t % 16]!;
    const schedule: Code =
      t < 16
        ? []
        : set(wt, [
            set(
              spare,
              w.xorV(
                w.xorV(get(word[(t - 3) % 16]!), get(word[(t - 8) % 16]!)),
                w.xorV(get(word[(t - 14) % 16]!), get(wt)),
              ),
            ),
            w.orV(w.add32V(get(spare), get(spare)), w.shrU32V(get(spare), 31)),
          ]);
    const parity = w.xorV(w.xorV(get(b), get(c)), get(d));
    const choose = w.xorV(get(d), w.andV(get(b), w.xorV(get(c), get(d))));
    const majority = w.orV(w.andV(get(b), get(c)), w.andV(get(d), w.orV(get(b), get(c))));
    const f = [choose, parity, majority, parity][Math.floor(t / 20)]!;
    return [
      schedule,
      // e becomes the new a, which the next round waits for: its own a comes in last. b turns.
      set(
        e,
        w.add32V(
          w.add32V(w.add32V(get(e), w.add32V(get(wt), get(k[Math.floor(t / 20)]!))), f),
          rotate(get(a), spare, 5),
        ),
      ),
      set(b, rotate(get(b), spare, 30)),
    ];
  };

  const lanes = [0, 1, 2, 3] as const;
  const swap = (v: number): Code => w.shuffleV(get(v), get(v), reverseBytes);
  return {
    name: "shaLanes",
    parameters: [i32, i32, i32],
    results: [],
    locals: [
      ...new Array<w.ValueType>(11).fill(i32),
      ...new Array<w.ValueType>(40).fill(v128),
      ...new Array<w.ValueType>(4).fill(i32),
    ],
    body: [
      ...lanes.flatMap(lane => [
        set(from[lane], w.load(get(starts), 4 * lane)),
        set(
          length[lane],
          w.sub(w.sub(w.load(w.add(get(starts), w.shl(get(n), int(2))), 4 * lane), int(1)), get(from[lane])),
        ),
        set(most, w.select(get(length[lane]), get(most), w.gtS(get(length[lane]), get(most)))),
      ]),
      ...h.map((local, i) => set(local, w.wordsV(initial[i]!))),
      ...k.map((local, i) => set(local, w.wordsV(constants[i]!))),
      set(iota, w.constV(Array.from({ length: 16 }, (_, i) => i))),
      set(stop, w.constV(new Array<number>(16).fill(0x80))),
      // Blocks begin at 0, 64, … and the last one holds 0x80 and the length: length + 9 bytes in all.
      w.loop(
        ...lanes.flatMap(lane => [
          set(rest, w.sub(get(length[lane]), get(done))),
          set(rest, w.select(get(rest), int(65), w.ltS(get(rest), int(65)))),
          set(rest, w.select(get(rest), int(-1), w.gtS(get(rest), int(-1)))),
          set(left[lane], w.splat8(get(rest))),
          set(block[lane], w.add(get(from[lane]), w.select(get(done), int(0), w.geS(get(rest), int(0))))),
        ]),
        set(place, get(iota)),
        loadQuarter(0),
        ...[1, 2, 3].map(q => [
          w.geS(w.sub(get(most), get(done)), int(16 * q)),
          [0x04, 0x40],
          set(place, w.add8(get(place), w.splat8(int(16)))),
          loadQuarter(q),
          [0x05],
          [0, 1, 2, 3].map(i => set(word[4 * q + i]!, w.wordsV(0))),
          [0x0b],
        ]),
        // Lanes whose last block this is get their length in bits; lanes that ended before are masked out.
        ...lanes.flatMap(lane => [
          set(rest, w.sub(w.add(get(length[lane]), int(9)), get(done))),
          set(
            bits,
            w.replaceLane32(
              get(bits),
              lane,
              w.select(
                w.shl(get(length[lane]), int(3)),
                int(0),
                w.and(w.gtS(get(rest), int(0)), w.ltS(get(rest), int(65))),
              ),
            ),
          ),
          set(mask, w.replaceLane32(get(mask), lane, w.sub(int(0), w.gtS(get(rest), int(0))))),
        ]),
        set(word[15]!, w.orV(get(word[15]!), get(bits))),
        ...s.map((local, i) => set(local, get(h[i]!))),
        ...Array.from({ length: 80 }, (_, t) => round(t)),
        ...h.map((local, i) => set(local, w.pickV(w.add32V(get(local), get(s[i]!)), get(local), get(mask)))),
        set(done, w.add(get(done), int(64))),
        w.jumpIf(0, w.gtS(w.add(get(most), int(9)), get(done))),
      ),
      set(s[0], swap(h[0])),
      set(s[1], swap(h[1])),
      w.storeV(
        get(hashes),
        w.shuffleV(get(s[0]), get(s[1]), [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23]),
      ),
      w.storeV(
        get(hashes),
        w.shuffleV(get(s[0]), get(s[1]), [8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31]),
        16,
      ),
    ],
  };
})();

const p1 = 0x9e3779b185ebca87n;
const p2 = 0xc2b2ae3d27d4eb4fn;
const p3 = 0x165667b19e3779f9n;
const p4 = 0x85ebca77c2b2ae63n;
const p5 = 0x27d4eb2f165667c5n;

/** xxh64(from, to): XXH64 of the bytes with seed 0. */
export const xxh64: WasmFunction = (() => {
  const [from, to, hash, length] = [0, 1, 2, 3] as const;
  const v = [4, 5, 6, 7] as const;
  const mixed = (accumulator: Code, input: Code): Code =>
    w.mul64(w.rotl64(w.add64(accumulator, w.mul64(input, w.long(p2))), w.long(31n)), w.long(p1));
  const advance = (bytes: number) => set(from, w.add(get(from), int(bytes)));
  const fits = (bytes: number) => w.geS(w.sub(get(to), get(from)), int(bytes));
  const starts = [p1 + p2, p2, 0n, -p1];
  const turns = [1n, 7n, 12n, 18n];
  const rotated = v.map((local, i) => w.rotl64(get(local), w.long(turns[i]!)));
  return {
    name: "xxh64",
    parameters: [i32, i32],
    results: [i64],
    locals: [i64, i64, i64, i64, i64, i64],
    body: [
      set(length, w.widen(w.sub(get(to), get(from)))),
      set(hash, w.long(p5)),
      w.when(
        fits(32),
        ...v.map((local, i) => set(local, w.long(starts[i]!))),
        w.loop(
          ...v.map((local, i) => set(local, mixed(get(local), w.load64(get(from), 8 * i)))),
          advance(32),
          w.jumpIf(0, fits(32)),
        ),
        set(hash, w.add64(w.add64(rotated[0]!, rotated[1]!), w.add64(rotated[2]!, rotated[3]!))),
        ...v.map(local =>
          set(
            hash,
            w.add64(w.mul64(w.xor64(get(hash), mixed(w.long(0n), get(local))), w.long(p1)), w.long(p4)),
          ),
        ),
      ),
      set(hash, w.add64(get(hash), get(length))),
      w.block(
        w.loop(
          w.jumpIf(1, w.eq(fits(8), int(0))),
          set(
            hash,
            w.add64(
              w.mul64(
                w.rotl64(w.xor64(get(hash), mixed(w.long(0n), w.load64(get(from)))), w.long(27n)),
                w.long(p1),
              ),
              w.long(p4),
            ),
          ),
          advance(8),
          w.jump(0),
        ),
      ),
      w.when(
        fits(4),
        set(
          hash,
          w.add64(
            w.mul64(
              w.rotl64(w.xor64(get(hash), w.mul64(w.widen(w.load(get(from))), w.long(p1))), w.long(23n)),
              w.long(p2),
            ),
            w.long(p3),
          ),
        ),
        advance(4),
      ),
      w.block(
        w.loop(
          w.jumpIf(1, w.geS(get(from), get(to))),
          set(
            hash,
            w.mul64(
              w.rotl64(w.xor64(get(hash), w.mul64(w.widen(w.load8(get(from))), w.long(p5))), w.long(11n)),
              w.long(p1),
            ),
          ),
          advance(1),
          w.jump(0),
        ),
      ),
      set(hash, w.mul64(w.xor64(get(hash), w.shrU64(get(hash), w.long(33n))), w.long(p2))),
      set(hash, w.mul64(w.xor64(get(hash), w.shrU64(get(hash), w.long(29n))), w.long(p3))),
      w.xor64(get(hash), w.shrU64(get(hash), w.long(32n))),
    ],
  };
})();
