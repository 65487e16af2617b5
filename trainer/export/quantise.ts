/**
 * Numbers as GGUF stores them: float32, half precision (rounded to nearest, ties to even), and Q8_0: blocks of 32
 * with a half-precision scale d = max|x|/127 and 32 signed bytes round(x/d).
 */
export type GgufType = "f32" | "f16" | "q8_0";

/** Type numbers of ggml, floats in a block, bytes of a block. */
export const ggufTypes: Readonly<Record<GgufType, { number: number; block: number; bytes: number }>> = {
  f32: { number: 0, block: 1, bytes: 4 },
  f16: { number: 1, block: 1, bytes: 2 },
  q8_0: { number: 8, block: 32, bytes: 34 },
};

const scratch = new DataView(new ArrayBuffer(4));

/** IEEE 754 half precision of a number, as bits. */
export function floatToHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x33000001) return sign;
  const exponent = magnitude >>> 23;
  // Below 2^-14 a half has no leading one: the mantissa moves right by as much as the exponent is too small.
  const shift = exponent < 113 ? 126 - exponent : 13;
  const mantissa = exponent < 113 ? (magnitude & 0x7fffff) | 0x800000 : magnitude - (112 << 23);
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && kept & 1) ? 1 : 0));
}

export function encodeTensor(values: Float32Array, type: GgufType): Uint8Array {
  if (type === "f32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (type === "f16") return new Uint8Array(Uint16Array.from(values, floatToHalf).buffer);
  const blocks = values.length / 32;
  const bytes = new Uint8Array(blocks * 34);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < blocks; block++) {
    let max = 0;
    for (let i = 0; i < 32; i++) max = Math.max(max, Math.abs(values[block * 32 + i]!));
    const scale = max / 127;
    view.setUint16(block * 34, floatToHalf(scale), true);
    for (let i = 0; i < 32; i++) {
      view.setInt8(block * 34 + 2 + i, scale === 0 ? 0 : Math.round(values[block * 32 + i]! / scale));
    }
  }
  return bytes;
}
