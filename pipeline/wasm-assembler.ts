/**
 * As much of a WebAssembly assembler as the kernels of MinHash and of the extractor's forests need: instructions are
 * lists of bytes, functions are lists of instructions, a module is one memory and its exported functions. Written out
 * because kernels are generated (80 unrolled rounds of SHA-1 in four lanes) and because a few KB of code need no compiler.
 * Knows nothing of hashing and trees. Numbers from the WebAssembly core specification 2.0, chapter 5.
 */

export type Code = readonly (number | Code)[];

export const i32 = 0x7f;
export const i64 = 0x7e;
export const v128 = 0x7b;
export type ValueType = typeof i32 | typeof i64 | typeof v128;

/** LEB128 without sign. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = value & 0x7f;
    value = Math.floor(value / 128);
    if (value === 0) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** LEB128 with sign. */
function signed(value: bigint): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    if ((value === 0n && (low & 0x40) === 0) || (value === -1n && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, ...value: Code[]): Code => [...value, 0x21, ...unsigned(local)];
export const tee = (local: number, ...value: Code[]): Code => [...value, 0x22, ...unsigned(local)];
export const int = (value: number): Code => [0x41, ...signed(BigInt(value | 0))];
export const long = (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))];
export const call = (index: number, ...values: Code[]): Code => [...values, 0x10, ...unsigned(index)];
export const block = (...body: Code[]): Code => [0x02, 0x40, ...body, 0x0b];
export const loop = (...body: Code[]): Code => [0x03, 0x40, ...body, 0x0b];
export const when = (condition: Code, ...body: Code[]): Code => [condition, 0x04, 0x40, ...body, 0x0b];
/** Jumps out of the `depth`-th enclosing block, or to the start of the loop, where the condition holds. */
export const jumpIf = (depth: number, condition: Code): Code => [condition, 0x0d, ...unsigned(depth)];
export const jump = (depth: number): Code => [0x0c, ...unsigned(depth)];

type Binary = (a: Code, b: Code) => Code;
const binary =
  (opcode: number): Binary =>
  (a, b) => [a, b, opcode];

export const add = binary(0x6a);
export const sub = binary(0x6b);
export const and = binary(0x71);
export const or = binary(0x72);
export const shl = binary(0x74);
export const shrU = binary(0x76);
/** Number of zero bits below the lowest one. */
export const ctz = (value: Code): Code => [value, 0x68];
export const eq = binary(0x46);
export const ne = binary(0x47);
export const ltS = binary(0x48);
export const ltU = binary(0x49);
export const gtS = binary(0x4a);
export const geS = binary(0x4e);
export const geU = binary(0x4f);
/** The first value where the condition holds, else the second. */
export const select = (yes: Code, no: Code, condition: Code): Code => [yes, no, condition, 0x1b];

export const add64 = binary(0x7c);
export const sub64 = binary(0x7d);
export const mul64 = binary(0x7e);
export const and64 = binary(0x83);
export const or64 = binary(0x84);
export const xor64 = binary(0x85);
export const shl64 = binary(0x86);
export const shrU64 = binary(0x88);
export const rotl64 = binary(0x89);
export const ltU64 = binary(0x54);
export const geU64 = binary(0x5a);
/** The lower 32 of 64 bits. */
export const wrap = (value: Code): Code => [value, 0xa7];
/** 32 bits without sign to 64. */
export const widen = (value: Code): Code => [value, 0xad];

const memory = (opcode: number, offset: number): number[] => [opcode, 0, ...unsigned(offset)];
export const load = (address: Code, offset = 0): Code => [address, ...memory(0x28, offset)];
export const load64 = (address: Code, offset = 0): Code => [address, ...memory(0x29, offset)];
export const load16 = (address: Code, offset = 0): Code => [address, ...memory(0x2f, offset)];
export const load8 = (address: Code, offset = 0): Code => [address, ...memory(0x2d, offset)];
export const store = (address: Code, value: Code, offset = 0): Code => [
  address,
  value,
  ...memory(0x36, offset),
];
export const store64 = (address: Code, value: Code, offset = 0): Code => [
  address,
  value,
  ...memory(0x37, offset),
];
export const store8 = (address: Code, value: Code, offset = 0): Code => [
  address,
  value,
  ...memory(0x3a, offset),
];

/** A float of 32 bits as one of 64. */
export const loadFloat = (address: Code, offset = 0): Code => [address, ...memory(0x2a, offset), 0xbb];
export const loadDouble = (address: Code, offset = 0): Code => [address, ...memory(0x2b, offset)];
export const storeDouble = (address: Code, value: Code, offset = 0): Code => [
  address,
  value,
  ...memory(0x39, offset),
];
export const addDouble = binary(0xa0);

const vector = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
const vectorBinary =
  (opcode: number): Binary =>
  (a, b) => [a, b, ...vector(opcode)];

export const loadV = (address: Code, offset = 0): Code => [address, ...vector(0), 0, ...unsigned(offset)];
export const storeV = (address: Code, value: Code, offset = 0): Code => [
  address,
  value,
  ...vector(11),
  0,
  ...unsigned(offset),
];
/** The 32 bits at `address` in each lane. */
export const loadSplat32 = (address: Code, offset = 0): Code => [
  address,
  ...vector(9),
  0,
  ...unsigned(offset),
];
/** `v` with the 32 bits at `address` in one lane. */
export const loadLane32 = (address: Code, v: Code, lane: number, offset = 0): Code => [
  address,
  v,
  ...vector(86),
  0,
  ...unsigned(offset),
  lane,
];
export const constV = (bytes: readonly number[]): Code => [...vector(12), ...bytes];
export const wordsV = (word: number): Code =>
  constV(Array.from({ length: 16 }, (_, i) => (word >>> (8 * (i % 4))) & 0xff));
export const shuffleV = (a: Code, b: Code, lanes: readonly number[]): Code => [a, b, ...vector(13), ...lanes];
export const splat8 = (value: Code): Code => [value, ...vector(15)];
export const splat16 = (value: Code): Code => [value, ...vector(16)];
export const splat32 = (value: Code): Code => [value, ...vector(17)];
export const replaceLane32 = (v: Code, lane: number, value: Code): Code => [v, value, ...vector(28), lane];
export const eq8 = vectorBinary(35);
export const ltS8 = vectorBinary(37);
export const add8 = vectorBinary(110);
export const gtS16 = vectorBinary(49);
export const add16 = vectorBinary(142);
export const mul16 = vectorBinary(149);
/** (a·b + 2^14) / 2^15 of lanes with sign, rounded down; saturated, or undefined (relaxed SIMD), where both are −2^15. */
export const mulHigh16 = vectorBinary(130);
export const relaxedMulHigh16 = vectorBinary(273);
/** The sign bits of the lanes, the first lowest. */
export const signs8 = (v: Code): Code => [v, ...vector(100)];
export const signs16 = (v: Code): Code => [v, ...vector(132)];
/** Floats of 32 bits: ones where a ≤ b, zeros elsewhere and where either is no number. */
export const atMostFloatV = vectorBinary(69);
/** Lanes of half the size, those of `a` first, limited to what they hold with sign. */
export const narrow16 = vectorBinary(133);
export const narrow8 = vectorBinary(101);
export const andV = vectorBinary(78);
export const orV = vectorBinary(80);
export const xorV = vectorBinary(81);
export const add32V = vectorBinary(174);
export const add64V = vectorBinary(206);
/** Bits of `a` where the mask has ones, else bits of `b`. */
export const pickV = (a: Code, b: Code, mask: Code): Code => [a, b, mask, ...vector(82)];
export const shl32V = (v: Code, bits: number): Code => [v, int(bits), ...vector(171)];
export const shrU32V = (v: Code, bits: number): Code => [v, int(bits), ...vector(173)];

export type WasmFunction = {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly body: Code;
};

function flatten(code: Code, into: number[]): number[] {
  for (const part of code) {
    if (typeof part === "number") into.push(part);
    else flatten(part, into);
  }
  return into;
}

const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
const list = (items: readonly (readonly number[])[]): number[] => [
  ...unsigned(items.length),
  ...items.flat(),
];
const section = (id: number, bytes: readonly number[]): number[] => [id, ...sized(bytes)];
const named = (name: string): number[] => sized([...Buffer.from(name, "utf8")]);

/** A module that imports nothing and exports `memory` and every function under its name. */
export function assemble(functions: readonly WasmFunction[], pages: number): Uint8Array<ArrayBuffer> {
  const types = functions.map(f => [
    0x60,
    ...list(f.parameters.map(t => [t])),
    ...list(f.results.map(t => [t])),
  ]);
  const bodies = functions.map(f => {
    const locals = list(f.locals.map(type => [1, type]));
    const body = flatten(f.body, []);
    const size = unsigned(locals.length + body.length + 1);
    return [...size, ...locals, ...body, 0x0b];
  });
  const code = [unsigned(bodies.length), ...bodies].flat();
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list(types)),
    ...section(3, list(functions.map((_, i) => unsigned(i)))),
    ...section(5, list([[0x00, ...unsigned(pages)]])),
    ...section(
      7,
      list([
        [...named("memory"), 0x02, 0x00],
        ...functions.map((f, i) => [...named(f.name), 0x00, ...unsigned(i)]),
      ]),
    ),
    ...section(10, code),
  ]);
}
