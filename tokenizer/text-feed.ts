/**
 * Text that comes in parts of any size, handed on in stretches of UTF-8 that may be treated each on its own: they
 * end where every pattern ends a piece. Knows neither vocabulary nor counts. One scratch array of 64 KiB that stays
 * in the processor's cache; it grows only for a text that has no such place for longer than that.
 */
import { cutFinder } from "./pretokenizer/cut.ts";

/** Bytes past the end of a stretch that may be read: what is there is of no account. */
export const slack = 16;

export const feedBytes = 1 << 16;

/** Takes bytes [0, end); false to hear no more of this text. `view` covers the same bytes and `slack` more. */
export type Take = (bytes: Uint8Array, view: DataView, end: number) => boolean;

export type TextFeed = {
  /** Both return false where `take` did. A lone surrogate becomes U+FFFD. */
  addText(text: string): boolean;
  addBytes(bytes: Uint8Array): boolean;
  /** Hands on what is certain already. */
  drain(): boolean;
  /** Hands on the rest: the text ends here. */
  finish(): void;
  /** Forgets what was held back. */
  reset(): void;
};

const utf8 = new TextEncoder();

export function createTextFeed(unicode: string, take: Take): TextFeed {
  const findCut = cutFinder(unicode);
  let bytes = new Uint8Array(feedBytes + slack);
  let view = new DataView(bytes.buffer);
  let filled = 0;
  /** No cut lies before this position. */
  let searched = 0;

  const grow = () => {
    const larger = new Uint8Array(2 * bytes.length);
    larger.set(bytes.subarray(0, filled));
    bytes = larger;
    view = new DataView(bytes.buffer);
  };
  const drain = (): boolean => {
    const cut = findCut(bytes, searched, filled);
    if (cut <= searched) {
      searched = Math.max(0, filled - 8);
      if (bytes.length - slack - filled < 4096) grow();
      return true;
    }
    const going = take(bytes, view, cut);
    bytes.copyWithin(0, cut, filled);
    filled -= cut;
    searched = 0;
    return going;
  };
  const reset = () => {
    filled = 0;
    searched = 0;
  };
  return {
    addText(text) {
      for (let read = 0; read < text.length; ) {
        const part = read === 0 ? text : text.slice(read);
        const result = utf8.encodeInto(part, bytes.subarray(filled, bytes.length - slack));
        read += result.read;
        filled += result.written;
        if (read < text.length && !drain()) return false;
      }
      return true;
    },
    addBytes(part) {
      for (let read = 0; read < part.length; ) {
        const room = Math.min(part.length - read, bytes.length - slack - filled);
        bytes.set(read === 0 && room === part.length ? part : part.subarray(read, read + room), filled);
        read += room;
        filled += room;
        if (read < part.length && !drain()) return false;
      }
      return true;
    },
    drain,
    finish() {
      if (filled > 0) take(bytes, view, filled);
      reset();
    },
    reset,
  };
}
