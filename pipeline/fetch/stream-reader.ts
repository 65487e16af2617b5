/**
 * The reader's side of a file that is read as it comes: asks the main thread for it over a port and gives its bytes to a
 * window. While one part is read the next is on its way. After a break it goes on at the first byte the reader has not
 * taken, its last whole gzip member, and writes what it held anew; within a member too long to send twice, at the byte.
 * Bytes that turn out to be damaged are asked for once more.
 */
import type { MessagePort } from "node:worker_threads";
import { errorOf, type FromWorker } from "../execute/workers.ts";
import type { Input } from "../inputs.ts";
import type { Opened } from "../readers/window.ts";
import { ChangedInput } from "./changed-input.ts";
import type { Part } from "./stream.ts";

export type ToHost =
  | { readonly kind: "open"; readonly id: number; readonly input: Input }
  /** Every part is answered by one of these: the byte to go on at. */
  | { readonly kind: "want"; readonly id: number; readonly from: number }
  | { readonly kind: "close"; readonly id: number };

export type FromHost = { readonly id: number } & (
  | { readonly kind: "part"; readonly part: Part }
  | { readonly kind: "missing" }
  | { readonly kind: "changed"; readonly url: string }
  | Extract<FromWorker, { kind: "failed" }>
);

export type StreamedInput = Opened & { readonly changed: boolean };
/** Null for a file the host does not have. */
export type OpenStreamed = (input: Input) => Promise<StreamedInput | null>;

/** More than this is not asked for again after a break. Pages have 30 kB on average. */
const longestHeld = 1 << 18;
/** Places of a file that are asked for again because what came from there is damaged. */
const mostAgain = 16;

type Line = { readonly said: FromHost[]; wake(): void };

export function streamReader(port: MessagePort): OpenStreamed {
  const lines = new Map<number, Line>();
  let files = 0;
  port.on("message", (message: FromHost) => {
    const line = lines.get(message.id);
    line?.said.push(message);
    line?.wake();
  });
  return async input => {
    const id = files++;
    const line: Line = { said: [], wake() {} };
    lines.set(id, line);
    const tell = (message: ToHost) => port.postMessage(message);
    const close = () => {
      if (lines.delete(id)) tell({ kind: "close", id });
    };
    const next = async (): Promise<Part | null> => {
      while (line.said.length === 0)
        await new Promise<void>(resolve => {
          line.wake = resolve;
        });
      const message = line.said.shift()!;
      if (message.kind === "part") return message.part;
      if (message.kind === "missing") return null;
      throw message.kind === "changed" ? new ChangedInput(message.url) : errorOf(message);
    };
    tell({ kind: "open", id, input });
    try {
      const first = await next();
      if (first === null) close();
      return first && reading(first, next, from => tell({ kind: "want", id, from }), close);
    } catch (error) {
      close();
      throw error;
    }
  };
}

function reading(
  first: Part,
  next: () => Promise<Part | null>,
  tell: (from: number) => void,
  close: () => void,
): StreamedInput {
  const { total, changed } = first;
  const tried = new Set<number>();
  let part = first;
  let answered = false;
  /** Place of the part that comes next; another one was on its way when the reader went elsewhere. */
  let expected = 0;
  let left = first.bytes;
  let position = 0;
  const answer = (from: number) => {
    answered = true;
    expected = from;
    tell(from);
  };
  const isLast = () => part.at + part.bytes.length >= total;
  /** Parts that are whole are answered at once, so that the next one comes while this one is read. */
  const readAhead = () => {
    answered = false;
    if (!part.broken && !isLast()) answer(part.at + part.bytes.length);
  };
  readAhead();
  return {
    changed,
    close,
    async pull(into, at, held) {
      for (;;) {
        if (left.length > 0) {
          const count = Math.min(left.length, into.length - at);
          into.set(left.subarray(0, count), at);
          left = left.subarray(count);
          position += count;
          return count;
        }
        if (!answered) {
          if (position >= total) return 0;
          answer(held <= longestHeld ? position - held : position);
        }
        part = (await next())!;
        if (part.at !== expected) {
          answer(expected);
          continue;
        }
        const anew = Math.min(position - part.at, part.bytes.length);
        into.set(part.bytes.subarray(0, anew), at - (position - part.at));
        left = part.bytes.subarray(anew);
        readAhead();
      }
    },
    again(offset) {
      if (tried.has(offset) || tried.size >= mostAgain) return false;
      tried.add(offset);
      position = offset;
      left = new Uint8Array(0);
      if (answered) expected = offset;
      else answer(offset);
      return true;
    },
  };
}
