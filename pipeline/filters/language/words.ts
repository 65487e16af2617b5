/**
 * Words as fastText sees them, bytes between blanks: the model's own by hash, and a memory of what any word was taken
 * apart to, over all texts. Most words of a text have come before, so remembering them is worth half the time; what is
 * remembered changes no result.
 */

export const fnvOffset = 0x811c9dc5 | 0;
export const fnvPrime = 0x01000193;

/** FNV-1a over sign-extended bytes. */
export function fnv(bytes: Uint8Array): number {
  let h = fnvOffset;
  for (const byte of bytes) h = Math.imul(h ^ ((byte << 24) >> 24), fnvPrime);
  return h;
}

/** Word to row, -1 for a word the model does not know. */
export function openDictionary(words: readonly Uint8Array[]) {
  const mask = 2 ** Math.ceil(Math.log2(words.length * 2 + 2)) - 1;
  const table = new Int32Array(mask + 1).fill(-1);
  const hashes = Int32Array.from(words, fnv);
  words.forEach((_, i) => {
    let slot = hashes[i]! & mask;
    while (table[slot]! >= 0) slot = (slot + 1) & mask;
    table[slot] = i;
  });
  return (bytes: Uint8Array, start: number, end: number, hash: number): number => {
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const word = table[slot]!;
      if (word < 0) return -1;
      if (hashes[word] !== hash) continue;
      const known = words[word]!;
      if (known.length === end - start && equalBytes(bytes, start, known, 0, known.length)) return word;
    }
  };
}

/** Gives the rows of the word that lies at `start` to `end` of the text's bytes. */
export type TakeApart = (start: number, end: number, hash: number, push: (row: number) => void) => void;

export type WordMemo = {
  /** Begins a text; forgets every word if there are many. */
  begin(): void;
  count(bytes: Uint8Array, start: number, end: number, hash: number): void;
  /** Gives the rows of all words counted since `begin`, each with how often its word occurred. */
  finish(add: (row: number, weight: number) => void): void;
};

/** Remembered at most between two texts: with 20 rows a word as a rule, 15 MB. */
const maxWords = 1 << 17;
const maxRows = 3 << 20;
const maxBytes = 1 << 20;

export function openWordMemo(takeApart: TakeApart): WordMemo {
  let mask = (1 << 12) - 1;
  let slots = new Int32Array(mask + 1).fill(-1);
  let known = 0;
  let capacity = 1 << 11;
  let hashes = new Int32Array(capacity);
  /** Where a word's bytes and rows end; they begin where the word's before it end. */
  let byteEnds = new Int32Array(capacity);
  let rowEnds = new Int32Array(capacity);
  let weights = new Int32Array(capacity);
  let seen = new Int32Array(capacity);
  let seenCount = 0;
  let text = new Uint8Array(1 << 14);
  let rows = new Int32Array(1 << 15);
  let rowCount = 0;

  const larger = (old: Int32Array, length: number) => {
    const grown = new Int32Array(length);
    grown.set(old);
    return grown as Int32Array<ArrayBuffer>;
  };
  const push = (row: number) => {
    if (rowCount === rows.length) rows = larger(rows, rowCount * 2);
    rows[rowCount++] = row;
  };
  const grow = () => {
    capacity *= 2;
    hashes = larger(hashes, capacity);
    byteEnds = larger(byteEnds, capacity);
    rowEnds = larger(rowEnds, capacity);
    weights = larger(weights, capacity);
    seen = larger(seen, capacity);
    mask = capacity * 2 - 1;
    slots = new Int32Array(mask + 1).fill(-1);
    for (let word = 0; word < known; word++) place(word, hashes[word]!);
  };
  const remember = (bytes: Uint8Array, start: number, end: number, hash: number): number => {
    if (known === capacity) grow();
    const word = known++;
    const from = word === 0 ? 0 : byteEnds[word - 1]!;
    const to = from + end - start;
    if (to > text.length) {
      const grown = new Uint8Array(to * 2);
      grown.set(text);
      text = grown;
    }
    text.set(bytes.subarray(start, end), from);
    hashes[word] = hash;
    byteEnds[word] = to;
    weights[word] = 0;
    takeApart(start, end, hash, push);
    rowEnds[word] = rowCount;
    return word;
  };
  const find = (bytes: Uint8Array, start: number, end: number, hash: number): number => {
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const word = slots[slot]!;
      if (word < 0) {
        const added = remember(bytes, start, end, hash);
        place(added, hash);
        return added;
      }
      if (hashes[word] !== hash) continue;
      const from = word === 0 ? 0 : byteEnds[word - 1]!;
      if (byteEnds[word]! - from === end - start && equalBytes(bytes, start, text, from, end - start))
        return word;
    }
  };
  const place = (word: number, hash: number) => {
    let slot = hash & mask;
    while (slots[slot]! >= 0) slot = (slot + 1) & mask;
    slots[slot] = word;
  };
  return {
    begin() {
      if (known < maxWords && rowCount < maxRows && (known === 0 || byteEnds[known - 1]! < maxBytes)) return;
      slots.fill(-1);
      known = rowCount = 0;
    },
    count(bytes, start, end, hash) {
      const word = find(bytes, start, end, hash);
      if (weights[word]!++ === 0) seen[seenCount++] = word;
    },
    finish(add) {
      for (let i = 0; i < seenCount; i++) {
        const word = seen[i]!;
        const weight = weights[word]!;
        weights[word] = 0;
        for (let row = word === 0 ? 0 : rowEnds[word - 1]!; row < rowEnds[word]!; row++)
          add(rows[row]!, weight);
      }
      seenCount = 0;
    },
  };
}

function equalBytes(a: Uint8Array, start: number, b: Uint8Array, from: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[start + i] !== b[from + i]) return false;
  return true;
}
