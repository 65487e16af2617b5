/**
 * What every launcher needs: the device's hand (`Gpu`), shape checks, workgroup counts within the limit of 65,535 per
 * dimension, and splitting an operation by rows where a tensor is larger than one storage binding may be.
 */
import type { Tensor } from "../device.ts";
import { own, type Slice, slice } from "./buffers.ts";
import type { Launch } from "./queue.ts";
import type { Tuning } from "./tuning.ts";

export type Gpu = {
  readonly tuning: Tuning;
  /** Elements that one storage binding may hold. */
  readonly bindingLength: number;
  run(launch: Launch): void;
  scratch(name: string, length: number): Slice;
};

/** The first `length` elements of a tensor, checked: it must be ours, of f32 and long enough. */
export function floats(op: string, name: string, tensor: Tensor, length: number): Slice {
  return checked(op, name, tensor, length, "f32");
}

export function ints(op: string, name: string, tensor: Tensor, length: number): Slice {
  return checked(op, name, tensor, length, "u32");
}

function checked(op: string, name: string, tensor: Tensor, length: number, dtype: string): Slice {
  const { storage, offset } = own(tensor);
  if (tensor.dtype !== dtype)
    throw new Error(`${op}: ${name} must be ${dtype}, ${tensor.label} is ${tensor.dtype}`);
  if (tensor.length < length) {
    throw new Error(`${op}: ${name} needs ${length} elements, ${tensor.label} has ${tensor.length}`);
  }
  return { storage, offset, length };
}

/** Whether two slices begin at the same place: an operation in place. */
export function same(a: Slice, b: Slice): boolean {
  return a.storage === b.storage && a.offset === b.offset;
}

/** A grid of at least `count` workgroups; the kernel numbers them `wid.y * nwg.x + wid.x` and ignores the surplus. */
export function grid(count: number, z = 1): [number, number, number] {
  const limit = 65535;
  if (count <= limit) return [count, count === 0 ? 0 : 1, z];
  const y = Math.ceil(count / limit);
  return [Math.ceil(count / y), y, z];
}

/**
 * Ranges of rows such that a range of every tensor, `widths` elements to a row, fits one binding and begins at a
 * multiple of 64 elements, as bindings must.
 */
export function* rowChunks(
  gpu: Gpu,
  op: string,
  rows: number,
  widths: readonly number[],
): Generator<{ row: number; count: number }> {
  const count = chunkRows(gpu, op, rows, widths);
  for (let row = 0; row < rows; row += count) yield { row, count: Math.min(count, rows - row) };
}

export function chunkRows(gpu: Gpu, op: string, rows: number, widths: readonly number[]): number {
  const widest = Math.max(...widths);
  if (rows * widest <= gpu.bindingLength) return Math.max(1, rows);
  let unit = 1;
  for (const width of widths) unit = Math.max(unit, 64 / powerOfTwoDivisor(width, 64));
  const count = Math.floor(gpu.bindingLength / widest / unit) * unit;
  if (count === 0) {
    throw new Error(
      `${op}: ${unit} row(s) of ${widest} elements do not fit one storage binding of this adapter ` +
        `(${gpu.bindingLength * 4} bytes)`,
    );
  }
  return count;
}

function powerOfTwoDivisor(value: number, limit: number): number {
  let divisor = 1;
  while (divisor < limit && value % (divisor * 2) === 0) divisor *= 2;
  return divisor;
}

export function rowsOf(of: Slice, row: number, count: number, width: number): Slice {
  return slice(of, row * width, count * width);
}
