/**
 * Muon (Jordan 2024): momentum, then the nearest matrix with orthonormal rows or columns, by five Newton–Schulz steps
 * X ← aX + (bA + cA²)X, A = XXᵀ, after division by the Frobenius norm. Written once over Device; products are exact,
 * for in half precision the iteration is unstable. Singular values end between 0.7 and 1.2, which is enough.
 * The update is scaled by 0.2·√max(rows, columns) (Liu et al. 2025), so that its size per element is that of AdamW's
 * and one learning rate and weight decay serve both. For matrices of hidden layers; embeddings, head, norms and biases
 * are AdamW's.
 */
import type { Device, Tensor } from "./device.ts";

/** Shapes (rows, columns) of what will be stepped. */
export type MatrixShape = readonly [rows: number, columns: number];

/** Buffers for the largest of the matrices, used by one after the other. */
export type MuonSpace = {
  readonly x: Tensor;
  readonly next: Tensor;
  readonly square: Tensor;
  readonly fourth: Tensor;
  readonly length: Tensor;
};

const [a, b, c] = [3.4445, -4.775, 2.0315];
const iterations = 5;

/** Floats of the space for matrices of these shapes. */
export function muonFloats(shapes: readonly MatrixShape[]): number {
  const { whole, side } = largest(shapes);
  return 2 * whole + 2 * side + 1;
}

function largest(shapes: readonly MatrixShape[]) {
  const whole = Math.max(0, ...shapes.map(([rows, columns]) => rows * columns));
  const side = Math.max(0, ...shapes.map(([rows, columns]) => Math.min(rows, columns) ** 2));
  return { whole, side };
}

/** Floating-point operations of a step: five iterations, two of whose three products are symmetric and half the work. */
export function muonFlops(shapes: readonly MatrixShape[]): number {
  const ofOne = (rows: number, columns: number) => {
    const [side, long] = [Math.min(rows, columns), Math.max(rows, columns)];
    return iterations * (3 * side * side * long + side ** 3);
  };
  return shapes.reduce((sum, [rows, columns]) => sum + ofOne(rows, columns), 0);
}

export function planMuon(device: Device, shapes: readonly MatrixShape[]): MuonSpace {
  const { whole, side } = largest(shapes);
  return {
    x: device.alloc("muon x", whole),
    next: device.alloc("muon next x", whole),
    square: device.alloc("muon x·xᵀ", side),
    fourth: device.alloc("muon (x·xᵀ)²", side),
    length: device.alloc("muon length", 1),
  };
}

export function freeMuon(device: Device, space: MuonSpace) {
  for (const tensor of Object.values(space)) device.free(tensor);
}

/** One step of a matrix: param, grad, m (rows, columns). clip, norm and gradScale as in Device.adamw. */
export function muon(
  device: Device,
  space: MuonSpace,
  p: {
    readonly param: Tensor;
    readonly grad: Tensor;
    readonly m: Tensor;
    readonly rows: number;
    readonly columns: number;
    readonly lr: number;
    /** Of the momentum; 0.95 is customary. */
    readonly beta: number;
    readonly weightDecay: number;
    readonly norm: Tensor;
    readonly clip: number;
    readonly gradScale?: number;
  },
) {
  const { rows, columns, norm, param } = p;
  const N = rows * columns;
  const side = Math.min(rows, columns);
  const part = (tensor: Tensor, length: number) =>
    tensor.length === length ? tensor : device.view(tensor, 0, length);
  let x = part(space.x, N);
  let next = part(space.next, N);
  const square = part(space.square, side * side);
  const fourth = part(space.fourth, side * side);
  const { length } = space;
  const plain = { bias: null, accumulate: false, exact: true } as const;
  const always = { divisor: null, norm: null } as const;
  device.momentum({
    ...{ out: x, m: p.m, grad: p.grad, N, beta: p.beta, norm, clip: p.clip, gradScale: p.gradScale ?? 1 },
  });
  device.globalNorm({ norm: length, tensors: [x] });
  device.combine({ out: x, a: x, alpha: 1, b: x, beta: 0, N, divisor: length, norm: null });
  for (let i = 0; i < iterations; i++) {
    // The smaller of x·xᵀ and xᵀ·x: both are symmetric, and the polynomial is the same from either side.
    const wide = rows <= columns;
    const gram = { out: square, a: x, b: x, M: side, N: side, K: Math.max(rows, columns) };
    device.matmul({ layout: wide ? "NT" : "TN", ...gram, ...plain, symmetric: true });
    const squared = { out: fourth, a: square, b: square, M: side, N: side, K: side };
    device.matmul({ layout: "NN", ...squared, ...plain, symmetric: true });
    device.combine({ out: square, a: square, alpha: b, b: fourth, beta: c, N: side * side, ...always });
    device.combine({ out: next, a: x, alpha: a, b: x, beta: 0, N, ...always });
    const [left, right] = wide ? [square, x] : [x, square];
    const product = { out: next, a: left, b: right, M: rows, N: columns, K: side };
    device.matmul({ layout: "NN", ...product, ...plain, accumulate: true });
    [x, next] = [next, x];
  }
  const size = 0.2 * Math.sqrt(Math.max(rows, columns));
  device.combine({
    ...{ out: param, a: param, alpha: 1 - p.lr * p.weightDecay, b: x, beta: -p.lr * size, N },
    ...{ divisor: null, norm },
  });
}
