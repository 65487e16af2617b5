/**
 * A sliding view of an input's bytes: fill it, look at it, skip what is done with. Holds no more than its user has
 * not skipped. Knows nothing of what the bytes mean. Local files are read synchronously: a hop to the thread pool
 * for each chunk made reading a third slower.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { UserError } from "../../lib/errors.ts";
import type { ByteSource } from "./reader.ts";

/**
 * Puts the next bytes into `into` from index `at` on and says how many; 0 at the end. The `held` bytes before `at` were
 * given before and not yet skipped: a source that reads on after a break may write them anew.
 */
export type Pull = (into: Buffer, at: number, held: number) => number | Promise<number>;

export type Window = {
  /** Place in the input of the first byte of `bytes`. */
  readonly offset: number;
  /** What was read and not yet skipped. Valid until the next fill or skip. */
  readonly bytes: Buffer;
  /** True once the input has ended; `bytes` is then all that is left. */
  readonly ended: boolean;
  /** Reads on. */
  fill(): Promise<void>;
  /** Forgets what is held, to read it once more, where bytes that are wrong may come right: over a network. */
  again(): boolean;
  skip(count: number): void;
};

export function openWindow({ pull, again }: Omit<Opened, "close">, capacity = 1 << 20): Window {
  let buffer = Buffer.allocUnsafeSlow(capacity);
  let start = 0;
  let end = 0;
  let offset = 0;
  let ended = false;
  return {
    get offset() {
      return offset;
    },
    get bytes() {
      return buffer.subarray(start, end);
    },
    get ended() {
      return ended;
    },
    async fill() {
      if (ended) return;
      if (end === buffer.length) {
        const held = end - start;
        const target = held > buffer.length / 2 ? Buffer.allocUnsafeSlow(buffer.length * 2) : buffer;
        buffer.copy(target, 0, start, end);
        buffer = target;
        start = 0;
        end = held;
      }
      const got = pull(buffer, end, end - start);
      const count = typeof got === "number" ? got : await got;
      if (count === 0) ended = true;
      end += count;
    },
    again() {
      if (!again?.(offset)) return false;
      start = end = 0;
      ended = false;
      return true;
    },
    skip(count) {
      start += count;
      offset += count;
      if (start === end) start = end = 0;
    },
  };
}

export type Opened = {
  readonly pull: Pull;
  /** Goes back to a byte that was given before; false where it would give the same again. */
  readonly again?: (offset: number) => boolean;
  close(): void | Promise<void>;
};

/** An input that is not a local file: read in order, or a piece of it. */
export type StoredInput = {
  readonly bytes: number;
  open(): Opened;
  slice(from: number, to: number): Promise<Buffer>;
};

/** Opens a local file for reading. Throws UserError where it cannot be opened. */
export function openFile(path: string): Opened {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    throw new UserError(
      `cannot open ${path}: ${(error as Error).message}`,
      "Check that the file is there and may be read.",
    );
  }
  return {
    pull: (into, at) => readSync(fd, into, at, into.length - at, null),
    close: () => closeSync(fd),
  };
}

/** Reads from chunks of any size, as a download gives them. */
export function fromChunks(source: ByteSource): Opened {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let chunk = new Uint8Array(0);
  const pull = async (into: Buffer, at: number): Promise<number> => {
    while (chunk.length === 0) {
      const next = await iterator.next();
      if (next.done) return 0;
      chunk = next.value as Uint8Array<ArrayBuffer>;
    }
    const count = Math.min(chunk.length, into.length - at);
    into.set(chunk.subarray(0, count), at);
    chunk = chunk.subarray(count);
    return count;
  };
  return {
    pull,
    async close() {
      await iterator.return?.();
    },
  };
}
