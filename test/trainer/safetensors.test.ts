/** The safetensors file: what is written is read, halves become floats, and no damaged file is believed. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../lib/errors.ts";
import { halfToFloat, openSafetensors, writeSafetensors } from "../../trainer/safetensors.ts";
import { temporary } from "./toy.ts";

const dir = temporary();
const path = join(dir, "model.safetensors");

function readAll(path: string) {
  const file = openSafetensors(path);
  const all = [...file.tensors.values()].map(({ name, shape, dtype }) => {
    return { name, shape, values: dtype === "F32" ? [...file.read(name)] : null };
  });
  file.close();
  return all;
}

/** A file with any header text. */
function raw(header: string | object, data: Uint8Array = new Uint8Array(0), claimed?: bigint) {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(claimed ?? BigInt(text.length));
  const file = join(dir, "raw.safetensors");
  writeFileSync(file, Buffer.concat([prefix, text, data]));
  return file;
}

describe("safetensors", () => {
  test("are read as they were written, whatever the shapes", async () => {
    const shape = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 });
    const tensors = fc.uniqueArray(fc.tuple(fc.string({ unit: "binary" }), shape), {
      selector: ([name]) => name,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(tensors, async tensors => {
        const list = tensors
          .filter(([name]) => name !== "__metadata__" && name !== "__proto__")
          .map(([name, shape], t) => {
            const length = shape.reduce((a, b) => a * b, 1);
            return { name, shape, data: () => Float32Array.from({ length }, (_, i) => t + i / 7) };
          });
        await writeSafetensors(path, list, { made: "by a test" });
        const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
        const expected = list.map(({ name, shape, data }) => ({ name, shape, values: [...data()] }));
        assert.deepEqual(readAll(path).sort(byName), expected.sort(byName));
      }),
      { numRuns: 100, seed: 4 },
    );
  });

  test("begin their data at a multiple of 8, as readers that map the file want it", async () => {
    for (const name of ["a", "ab", "abc", "abcdefgh"]) {
      await writeSafetensors(path, [{ name, shape: [3], data: () => Float32Array.of(1, 2, 3) }], {});
      assert.equal(Number(readFileSync(path).readBigUInt64LE(0)) % 8, 0);
    }
  });

  test("of half precision are read as float32", () => {
    const cases: readonly (readonly [number, number])[] = [
      ...([
        [0x3c00, 1],
        [0xc000, -2],
        [0x7bff, 65504],
        [0x0400, 2 ** -14],
        [0x0001, 2 ** -24],
        [0x8000, -0],
      ] as const),
      ...([
        [0x7c00, Number.POSITIVE_INFINITY],
        [0xfc00, Number.NEGATIVE_INFINITY],
        [0x3555, 0.333251953125],
      ] as const),
    ];
    for (const [bits, value] of cases) assert.equal(halfToFloat(bits), value);
    assert.ok(Number.isNaN(halfToFloat(0x7e00)));
    const halves = Uint16Array.of(0x3c00, 0xc000);
    const header = (dtype: string, bytes: number) => ({ x: { dtype, shape: [2], data_offsets: [0, bytes] } });
    const read = (dtype: string, data: ArrayBufferView) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const file = openSafetensors(raw(header(dtype, bytes.length), bytes));
      const values = [...file.read("x")];
      file.close();
      return values;
    };
    assert.deepEqual(read("F16", halves), [1, -2]);
    assert.deepEqual(read("BF16", Uint16Array.of(0x3f80, 0xc000)), [1, -2]);
    assert.deepEqual(read("F64", Float64Array.of(1, -2)), [1, -2]);
  });

  const one = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
  const eight = new Uint8Array(8);
  const empty = () => {
    writeFileSync(path, "");
    return path;
  };
  const damaged: readonly (readonly [string, () => string, RegExp])[] = [
    ["no bytes", empty, /it has only 0 bytes/],
    [
      "a header longer than the file",
      () => raw("{}", eight, 1000n),
      /its header claims 1000 bytes of a file of 18/,
    ],
    ["a header of absurd size", () => raw("{}", eight, 1n << 62n), /its header claims/],
    ["a header that is no JSON", () => raw("{x}"), /its header is not JSON/],
    ["a header that is a list", () => raw("[]"), /its header is the list \[\], not a mapping/],
    ["an unknown type", () => raw({ x: { ...one, dtype: "F31" } }, eight), /tensor "x" has the type "F31"/],
    ["a negative shape", () => raw({ x: { ...one, shape: [-2] } }, eight), /tensor "x" has the shape/],
    ["a shape that is no list", () => raw({ x: { ...one, shape: 2 } }, eight), /tensor "x" has the shape 2/],
    [
      "offsets that do not fit the shape",
      () => raw({ x: { ...one, data_offsets: [0, 4] } }, eight),
      /has 4 bytes, but its shape needs 8/,
    ],
    [
      "a tensor beyond the end",
      () => raw({ x: { ...one, shape: [4], data_offsets: [0, 16] } }, eight),
      /ends beyond the end of the file/,
    ],
    ["overlapping tensors", () => raw({ x: one, y: one }, eight), /tensor "y" begins at 0, not at 8/],
    [
      "a hole",
      () => raw({ x: { ...one, data_offsets: [8, 16] } }, new Uint8Array(16)),
      /tensor "x" begins at 8, not at 0/,
    ],
    [
      "bytes after the last tensor",
      () => raw({ x: one }, new Uint8Array(12)),
      /it has 4 bytes more than its tensors/,
    ],
    ["a tensor that is null", () => raw({ x: null }, eight), /tensor "x" has the type nothing/],
  ];
  for (const [what, make, message] of damaged) {
    test(`with ${what} are refused`, () => {
      assert.throws(
        () => openSafetensors(make()),
        (error: unknown) => error instanceof UserError && message.test(error.message),
      );
    });
  }

  test("cut or changed anywhere never crash the reader", async () => {
    const list = ["a", "b"].map((name, i) => ({
      name,
      shape: [2, i + 1],
      data: () => new Float32Array(2 * (i + 1)),
    }));
    await writeSafetensors(path, list, { k: "v" });
    const whole = readFileSync(path);
    const target = join(dir, "fuzzed.safetensors");
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bytes = Buffer.from(cut ? whole.subarray(0, at) : whole);
        if (!cut) bytes[at] = byte;
        writeFileSync(target, bytes);
        try {
          readAll(target);
        } catch (error) {
          assert.ok(error instanceof UserError, String(error));
        }
      }),
      { numRuns: 500, seed: 5 },
    );
  });

  test("name what is missing", async () => {
    await writeSafetensors(path, [{ name: "x", shape: [1], data: () => Float32Array.of(1) }], {});
    const file = openSafetensors(path);
    assert.throws(() => file.read("y"), /expected a tensor "y", found none/);
    file.close();
    assert.throws(() => openSafetensors(join(dir, "nowhere")), /expected a safetensors file at .*nowhere/);
  });
});
