/**
 * The safetensors format: a little-endian u64, that many bytes of JSON ({name: {dtype, shape, data_offsets}}), the
 * tensors' bytes one after the other. Reading checks every claim of the header before a byte is used, and reads a
 * tensor when it is asked for. Writes F32; reads F32, F16, BF16 and F64 as float32.
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { createAtomic, type OutputFile } from "../lib/atomic.ts";
import { shown, UserError } from "../lib/errors.ts";
import { lengthOf } from "./parameters.ts";
import { readExactly } from "./read-exactly.ts";

export type TensorHeader = {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly begin: number;
  readonly end: number;
};

const bytesOf: Readonly<Record<string, number>> = {
  ...{ F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2 },
  ...{ F8_E5M2: 1, F8_E4M3: 1, I8: 1, U8: 1, BOOL: 1 },
};

/** The format's own limit for the header. */
const longestHeader = 100_000_000;

export type SafetensorsFile = {
  readonly tensors: ReadonlyMap<string, TensorHeader>;
  readonly metadata: Readonly<Record<string, string>>;
  /** A tensor as float32. UserError where there is none of that name or its type is no float. */
  read(name: string): Float32Array;
  close(): void;
};

function broken(path: string, what: string): UserError {
  return new UserError(`${path} is not a safetensors file: ${what}`, "copy or download it again");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The tensors that a header declares, checked: types, sizes, bounds, no overlap and no hole. */
function parseHeader(path: string, text: string, base: number, size: number) {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw broken(path, "its header is not JSON");
  }
  if (!isRecord(json)) throw broken(path, `its header is ${shown(json)}, not a mapping`);
  const metadata: Record<string, string> = {};
  const tensors: TensorHeader[] = [];
  for (const [name, entry] of Object.entries(json)) {
    if (name === "__metadata__") {
      if (!isRecord(entry)) throw broken(path, "its __metadata__ is not a mapping");
      for (const [key, value] of Object.entries(entry)) metadata[key] = String(value);
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {};
    if (typeof dtype !== "string" || !Object.hasOwn(bytesOf, dtype)) {
      throw broken(path, `tensor ${shown(name)} has the type ${shown(dtype)}`);
    }
    if (!Array.isArray(shape) || !shape.every(isCount)) {
      throw broken(path, `tensor ${shown(name)} has the shape ${shown(shape)}`);
    }
    if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
      throw broken(path, `tensor ${shown(name)} has the offsets ${shown(offsets)}`);
    }
    const [begin, end] = offsets as [number, number];
    const bytes = lengthOf({ shape }) * bytesOf[dtype]!;
    if (end - begin !== bytes) {
      throw broken(path, `tensor ${shown(name)} has ${end - begin} bytes, but its shape needs ${bytes}`);
    }
    if (base + end > size) throw broken(path, `tensor ${shown(name)} ends beyond the end of the file`);
    tensors.push({ name, dtype, shape, begin: base + begin, end: base + end });
  }
  let at = base;
  for (const { name, begin, end } of [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at)
      throw broken(path, `tensor ${shown(name)} begins at ${begin - base}, not at ${at - base}`);
    at = end;
  }
  if (at !== size) throw broken(path, `it has ${size - at} bytes more than its tensors`);
  return { tensors: new Map(tensors.map(tensor => [tensor.name, tensor])), metadata };
}

export function openSafetensors(path: string): SafetensorsFile {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    throw new UserError(`expected a safetensors file at ${path}, found none that can be read`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile())
      throw new UserError(`expected a safetensors file at ${path}, found none that can be read`);
    const { size } = stat;
    const prefix = readExactly(fd, 0, Math.min(8, size), shorter(path));
    if (prefix.length < 8) throw broken(path, `it has only ${size} bytes`);
    const length = Number(prefix.readBigUInt64LE(0));
    if (length > longestHeader || 8 + length > size) {
      throw broken(path, `its header claims ${length} bytes of a file of ${size}`);
    }
    const base = 8 + length;
    const header = parseHeader(path, readExactly(fd, 8, length, shorter(path)).toString("utf8"), base, size);
    const read = (name: string) => {
      const tensor = header.tensors.get(name);
      if (!tensor) throw new UserError(`${path}: expected a tensor ${shown(name)}, found none`);
      return toFloat32(path, tensor, readExactly(fd, tensor.begin, tensor.end - tensor.begin, shorter(path)));
    };
    return { ...header, read, close: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

const shorter = (path: string) => () => broken(path, "it became shorter while it was read");

function toFloat32(path: string, { name, dtype }: TensorHeader, bytes: Buffer): Float32Array {
  if (dtype === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  if (dtype === "F64")
    return Float32Array.from(new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8));
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  if (dtype === "F16") return Float32Array.from(halves, halfToFloat);
  if (dtype === "BF16") {
    const bits = Uint32Array.from(halves, half => half << 16);
    return new Float32Array(bits.buffer);
  }
  throw new UserError(`${path}: tensor ${shown(name)}: expected floating-point numbers, got ${dtype}`);
}

/** IEEE 754 half precision. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export type TensorToWrite = {
  readonly name: string;
  readonly shape: readonly number[];
  /** Called when its turn comes, so that one tensor is in memory at a time. */
  data(): Promise<Float32Array> | Float32Array;
};

/** Writes float32 tensors, in their order. The header is padded so that the data begins at a multiple of 8. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
): Promise<OutputFile> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const { name, shape } of tensors) {
    const end = at + 4 * lengthOf({ shape });
    header[name] = { dtype: "F32", shape, data_offsets: [at, end] };
    at = end;
  }
  const json = Buffer.from(JSON.stringify(header), "utf8");
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, " ")]);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(padded.length));
  const file = createAtomic(path);
  try {
    file.write(prefix);
    file.write(padded);
    for (const { name, shape, data } of tensors) {
      const values = await data();
      if (values.length !== lengthOf({ shape })) {
        throw new Error(`tensor ${name}: ${values.length} numbers for the shape ${shape}`);
      }
      file.write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
    return file.commit();
  } catch (error) {
    file.abandon();
    throw error;
  }
}
