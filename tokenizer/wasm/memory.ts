/**
 * Where things lie in the memory of one encoder, and how more of it is taken: from the bottom up, never given back.
 * The writer on the JavaScript side is tokenizer/kernel.ts, which must agree.
 *   1024  256 bytes: the class of each byte of ASCII, 8 for the others
 *   1280  vectors of constants
 *   2048  scratch of merge.ts
 *   4096  index of the class table, 16 bits each
 *   16384 blocks of the class table
 *   131072 keys of the pairs of bytes (merge.ts), 32 bits each
 *   393216 scratch of merge.ts for middling pieces
 *   401408 the window that windows.ts merged last, its symbols behind it
 */
export const BYTE_CLASSES: usize = 1024;
export const CONSTANTS: usize = 1280;
export const SCRATCH: usize = 2048;
export const CLASS_INDEX: usize = 4096;
export const CLASS_BLOCKS: usize = 16384;
export const BYTE_PAIRS: usize = 131072;
export const MIDDLE_SCRATCH: usize = 393216;
export const LAST_WINDOW: usize = 401408;
const FREE: usize = 403456;

/** Bytes behind a text that are read and of no account, and ids behind the last that are written. */
export const SLACK: usize = 1152;

let top: usize = FREE;

/** Zeroed memory, as long as it was never taken before. */
export function take(bytes: usize): usize {
  const at = top;
  top = (top + bytes + 63) & ~63;
  const pages = <i32>((top + 65535) >> 16) - memory.size();
  if (pages > 0 && memory.grow(pages) < 0) unreachable();
  return at;
}

/** The text to encode, and the room for its ids. */
let input: usize = 0;
let output: usize = 0;
let held: usize = 0;

/** Makes room for a text of that many bytes, one id for each, and says where the text is to be put. */
export function room(bytes: usize): usize {
  if (bytes > held) {
    held = held == 0 ? bytes : max(bytes, held + (held >> 1));
    input = take(held + SLACK);
    output = take((held << 2) + SLACK);
  }
  return input;
}

export function inputAt(): usize {
  return input;
}

export function outputAt(): usize {
  return output;
}
