/**
 * The parameters of an op with plain arrays in place of tensors: what the reference loops are written on.
 * Float tensors are float64 here, so that a finite difference of a loss is good to ten digits.
 */
import type { Device, Tensor } from "../device.ts";

/** The ops of a device: methods that take one parameter object. */
export type OpName = {
  [K in keyof Device]: Device[K] extends (p: infer P) => void ? (P extends object ? K : never) : never;
}[keyof Device] &
  Exclude<keyof Device, "free" | "read" | "readInts">;

type Indices = "ids" | "targets";

type Plain<K, T> = T extends Tensor
  ? K extends Indices
    ? Uint32Array
    : Float64Array
  : T extends readonly Tensor[]
    ? readonly Float64Array[]
    : T;

export type Arrays<Name extends OpName> = {
  readonly [K in keyof Parameters<Device[Name]>[0]]: Plain<K, Parameters<Device[Name]>[0][K]>;
};

export type Op<Name extends OpName> = (p: Arrays<Name>) => void;
