/**
 * Reads a llama2.c checkpoint: the first format (seven int32, then float32 arrays; a negative vocabulary size says
 * that the output head is a matrix of its own) and its version 1 ("ak42", the header padded to 256 bytes).
 * Rotary pairs are neighbours there and halves here, so the rows of queries and keys are permuted.
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { UserError } from "../../lib/errors.ts";
import { checkConfig, type ModelConfig } from "../config.ts";
import { readExactly } from "../read-exactly.ts";
import { concatenate, type ImportedModel, padRows, permuteRotary } from "./imported.ts";

const magic = 0x616b3432;

/** llama2.c's token 1 begins every text and ends it. */
const bos = 1;

/** The array of a name and layer. */
type Read = (name: string, layer: number) => Float32Array;

/** The arrays of a file in order: name, how many, floats each. */
function layout(config: ModelConfig, version: 0 | 1): (readonly [string, number, number])[] {
  const { layers: L, width: C, hidden: F, heads, kvHeads, context, vocabulary: V, tied } = config;
  const kv = (C / heads) * kvHeads;
  const norms: (readonly [string, number, number])[] = [
    ["attentionNorm", L, C],
    ["feedForwardNorm", L, C],
  ];
  const attention = [
    ["q", L, C * C],
    ["k", L, kv * C],
    ["v", L, kv * C],
    ["o", L, C * C],
  ] as const;
  const feedForward = [
    ["gate", L, F * C],
    ["down", L, C * F],
    ["up", L, F * C],
  ] as const;
  const head: (readonly [string, number, number])[] = tied ? [] : [["head", 1, V * C]];
  if (version === 1) {
    return [...norms, ["norm", 1, C], ["embedding", 1, V * C], ...attention, ...feedForward, ...head];
  }
  const frequencies = ["frequencies", 2, (context * C) / heads / 2] as const;
  return [
    ["embedding", 1, V * C],
    norms[0]!,
    ...attention,
    norms[1]!,
    ...feedForward,
    ["norm", 1, C],
    frequencies,
    ...head,
  ];
}

/** `bytes` are the first of a file of `size`. */
function header(bytes: Buffer, path: string, size: number) {
  const short = new UserError(`${path} is not a llama2.c checkpoint: it has only ${size} bytes`);
  if (bytes.length < 28) throw short;
  const versioned = bytes.readUInt32LE(0) === magic;
  if (versioned && bytes.length < 256) throw short;
  if (versioned && bytes.readInt32LE(4) !== 1) {
    throw new UserError(
      `${path}: expected a llama2.c checkpoint of version 0 or 1, got version ${bytes.readInt32LE(4)}`,
      "export it again in float32 (version 1); quantised checkpoints are not read",
    );
  }
  const at = versioned ? 8 : 0;
  const numbers = Array.from({ length: 7 }, (_, i) => bytes.readInt32LE(at + 4 * i));
  const tied = versioned ? bytes[36] === 1 : numbers[5]! > 0;
  return { version: versioned ? (1 as const) : (0 as const), base: versioned ? 256 : 28, numbers, tied };
}

/** Arrays are read from the file when they are asked for, so a model larger than memory's largest buffer is no matter. */
export function readLlama2c(path: string): ImportedModel & { close(): void } {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    throw new UserError(`expected a llama2.c checkpoint at ${path}, found none that can be read`);
  }
  const close = () => closeSync(fd);
  try {
    const { size } = fstatSync(fd);
    return { ...open(fd, path, size), close };
  } catch (error) {
    close();
    throw error;
  }
}

const shorter = (path: string) => () =>
  new UserError(`${path} became shorter while it was read`, "copy or download it again");

function open(fd: number, path: string, size: number): ImportedModel {
  const first = readExactly(fd, 0, Math.min(256, size), shorter(path));
  const { version, base, numbers, tied } = header(first, path, size);
  const [width, hidden, layers, heads, kvHeads, vocabulary, context] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const config = checkConfig({
    ...{
      family: "llama",
      layers,
      heads,
      kvHeads,
      width,
      hidden,
      context,
      vocabulary: Math.abs(vocabulary),
      tied,
    },
    ...{ eps: 1e-5, ropeBase: 10000 },
  });
  const parts = layout(config, version);
  const expected = base + 4 * parts.reduce((sum, [, count, length]) => sum + count * length, 0);
  if (size !== expected) {
    throw new UserError(
      `${path} is not a llama2.c checkpoint: its header asks for ${expected} bytes, it has ${size}`,
      "copy or download it again",
    );
  }
  const places = new Map<string, { readonly at: number; readonly length: number }>();
  let at = base;
  for (const [name, count, length] of parts) {
    places.set(name, { at, length });
    at += 4 * count * length;
  }
  const read: Read = (name, layer) => {
    const { at, length } = places.get(name)!;
    const bytes = readExactly(fd, at + 4 * layer * length, 4 * length, shorter(path));
    return new Float32Array(bytes.buffer, bytes.byteOffset, length);
  };
  return { config, eot: bos, tokenizer: null, tensor: name => tensorOf(name, read, config) };
}

function tensorOf(name: string, read: Read, config: ModelConfig): Float32Array {
  const { width, heads } = config;
  if (name === "wte") return padRows(read("embedding", 0), config);
  if (name === "head") return padRows(read("head", 0), config);
  if (name === "norm.weight") return read("norm", 0);
  const match = /^layers\.(\d+)\.(\w+)\.weight$/.exec(name);
  const layer = Number(match?.[1]);
  const of = (key: string) => read(key, layer);
  const rotary = (key: string) => permuteRotary(of(key), width, width / heads);
  const makers: Record<string, () => Float32Array> = {
    norm1: () => of("attentionNorm"),
    norm2: () => of("feedForwardNorm"),
    qkv: () => concatenate(rotary("q"), rotary("k"), of("v")),
    projection: () => of("o"),
    up: () => concatenate(of("gate"), of("up")),
    down: () => of("down"),
  };
  return makers[match?.[2] ?? ""]!();
}
