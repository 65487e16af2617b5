/**
 * Inflates one member with the loop of pipeline/wasm/, 1.4 times as fast as zlib, checksum included; says nothing about
 * members that are damaged in any way or too large for its memory: zlib is asked then, so that its answers stay. One instance a thread,
 * of 5 MiB, touched as far as members reach. Knows no gzip.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { builtRoot } from "../../lib/package-root.ts";

type Exports = {
  readonly memory: WebAssembly.Memory;
  prepare(inputRoom: number, outputRoom: number): void;
  inputAt(): number;
  outputAt(): number;
  /** Length of the output; -1 where the input ends before the data does, -2 for all else. */
  inflate(most: number): number;
  consumed(): number;
};

/** Compressed and raw bytes of a member that are taken; larger ones go to zlib. */
const inputRoom = 1 << 20;
const outputRoom = 1 << 22;
/** Input is brought in pieces: most members are shorter than one, and what follows them is not looked at. */
const piece = 1 << 14;

export type Inflated =
  /** `bytes` lie in the inflater's memory, up to its next call. `length` is what they took of the input. */
  | { readonly kind: "whole"; readonly bytes: Uint8Array; readonly length: number }
  /** The input ends before the data does. */
  | { readonly kind: "cut" };

/** Null where zlib is to be asked. */
export type Inflate = (input: Uint8Array, most: number) => Inflated | null;

let made: Inflate | null | undefined;

/** The inflater of this thread; null where its module is not built. */
export function inflater(): Inflate | null {
  made ??= make();
  return made;
}

function make(): Inflate | null {
  let code: Buffer<ArrayBuffer>;
  try {
    code = readFileSync(join(builtRoot, "pipeline", "wasm", "inflate.wasm"));
  } catch {
    return null;
  }
  let input = new Uint8Array(0);
  let given = 0;
  const more = (): number => {
    const part = input.subarray(given, Math.min(given + piece, inputRoom));
    memory.set(part, inputAt + given);
    given += part.length;
    return part.length;
  };
  const imports = { reader: { more } };
  const kernel = new WebAssembly.Instance(new WebAssembly.Module(code), imports)
    .exports as unknown as Exports;
  kernel.prepare(inputRoom, outputRoom);
  const memory = new Uint8Array(kernel.memory.buffer);
  const inputAt = kernel.inputAt();
  const outputAt = kernel.outputAt();
  return (bytes, most) => {
    input = bytes as Uint8Array<ArrayBuffer>;
    given = 0;
    const length = kernel.inflate(Math.min(most, outputRoom));
    if (length >= 0)
      return {
        kind: "whole",
        bytes: memory.subarray(outputAt, outputAt + length),
        length: kernel.consumed(),
      };
    return length === -1 && given === input.length ? { kind: "cut" } : null;
  };
}
