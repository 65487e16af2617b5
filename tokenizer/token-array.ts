/**
 * Arrays of token ids: 16 bits each while the vocabulary allows, 32 otherwise, and one that grows.
 * Knows nothing of what the ids mean.
 */

export type TokenArray = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** 16 bits for up to 65,536 tokens. */
export function tokenArrayType(vocabularySize: number): Uint16ArrayConstructor | Uint32ArrayConstructor {
  return vocabularySize <= 65536 ? Uint16Array : Uint32Array;
}

/** Collects ids; its array is reused after `clear`. */
export type TokenSink = {
  /** The ids so far, valid until the next call. */
  view(): TokenArray;
  readonly length: number;
  append(ids: Int32Array, count: number): void;
  push(id: number): void;
  clear(): void;
};

export function createTokenSink(vocabularySize: number): TokenSink {
  const Ids = tokenArrayType(vocabularySize);
  let held: TokenArray = new Ids(1024);
  let length = 0;
  const reserve = (count: number) => {
    if (length + count <= held.length) return;
    const larger = new Ids(Math.max(length + count, held.length + (held.length >> 1)));
    larger.set(held.subarray(0, length));
    held = larger;
  };
  return {
    view: () => held.subarray(0, length),
    get length() {
      return length;
    },
    append(ids, count) {
      reserve(count);
      held.set(count === ids.length ? ids : ids.subarray(0, count), length);
      length += count;
    },
    push(id) {
      reserve(1);
      held[length++] = id;
    },
    clear() {
      length = 0;
    },
  };
}
