/** Bytes of an open file from a place on, in pieces: one read of Node.js ends at 2 GiB. Knows no format. */
import { readSync } from "node:fs";

const piece = 2 ** 30;

/** Throws what `shorter` makes where the file ends before. The bytes begin their own ArrayBuffer. */
export function readExactly(fd: number, position: number, length: number, shorter: () => Error): Buffer {
  const buffer = Buffer.from(new ArrayBuffer(length));
  for (let at = 0; at < length; ) {
    const n = readSync(fd, buffer, at, Math.min(length - at, piece), position + at);
    if (n === 0) throw shorter();
    at += n;
  }
  return buffer;
}
