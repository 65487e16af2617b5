/**
 * Keys of buckets on disk: one file a task, in which every bucket's keys are sorted (`<task>.keys`). What does not fit
 * into memory becomes another sorted run in the same file. A record is the key's three words and the document's
 * number in its task.
 */
import type { OutputFile } from "../../lib/atomic.ts";
import { createChecked, type Section } from "./checked-file.ts";
import { collectedPath } from "./paths.ts";
import { keyWords } from "./signature.ts";

export const keyRecordWords = keyWords + 1;

export type KeysTrailer = {
  readonly task: number;
  readonly documents: number;
  /** One list of sections, by bucket, for each run. */
  readonly runs: readonly (readonly Section[])[];
};

export type KeyWriter = {
  /** Keys of one document, `keyWords` for each bucket. */
  add(document: number, keys: Uint32Array): void;
  commit(documents: number): OutputFile;
  abandon(): void;
};

/** Longest run: 2^20 documents, so that a document's place in it fits beside 32 bits of key in a double. */
const longestRun = 1 << 20;

export function createKeys(dir: string, task: number, buckets: number, memory: number): KeyWriter {
  const file = createChecked<KeysTrailer>(collectedPath(dir, task, "keys"));
  const width = buckets * keyWords;
  const bytesEach = width * 4 + 4 + 8 + keyRecordWords * 4;
  const capacity = Math.max(1024, Math.min(longestRun, Math.floor(memory / bytesEach)));
  let keys = new Uint32Array(Math.min(capacity, 4096) * width);
  let numbers = new Uint32Array(Math.min(capacity, 4096));
  let count = 0;
  const runs: Section[][] = [];

  const spill = () => {
    const order = new Float64Array(count);
    const out = new Uint32Array(count * keyRecordWords);
    const sections: Section[] = [];
    for (let bucket = 0; bucket < buckets; bucket++) {
      sortByKey(keys, width, bucket * keyWords, count, order);
      for (let i = 0, at = 0; i < count; i++) {
        const document = order[i]! % longestRun;
        const from = document * width + bucket * keyWords;
        for (let k = 0; k < keyWords; k++) out[at++] = keys[from + k]!;
        out[at++] = numbers[document]!;
      }
      file.write(new Uint8Array(out.buffer));
      sections.push(file.endSection());
    }
    runs.push(sections);
    count = 0;
  };

  return {
    add(document, documentKeys) {
      if (count === capacity) spill();
      if (count === numbers.length) {
        const longer = Math.min(capacity, numbers.length * 2);
        const [oldKeys, oldNumbers] = [keys, numbers];
        keys = new Uint32Array(longer * width);
        numbers = new Uint32Array(longer);
        keys.set(oldKeys);
        numbers.set(oldNumbers);
      }
      keys.set(documentKeys, count * width);
      numbers[count++] = document;
    },
    commit(documents) {
      if (count > 0 || runs.length === 0) spill();
      return file.commit({ task, documents, runs });
    },
    abandon: () => file.abandon(),
  };
}

/** Fills `order` with first word of the key × 2^20 + place, ascending by the whole key, then by place. */
function sortByKey(
  keys: Uint32Array,
  width: number,
  column: number,
  count: number,
  order: Float64Array,
): void {
  for (let i = 0; i < count; i++) order[i] = keys[i * width + column]! * longestRun + i;
  order.sort();
  const compare = (a: number, b: number): number => {
    const [i, j] = [(a % longestRun) * width + column, (b % longestRun) * width + column];
    for (let k = 1; k < keyWords; k++) {
      const difference = keys[i + k]! - keys[j + k]!;
      if (difference !== 0) return difference;
    }
    return a - b;
  };
  const first = (at: number) => Math.floor(order[at]! / longestRun);
  for (let from = 0; from < count; ) {
    let to = from + 1;
    while (to < count && first(to) === first(from)) to++;
    if (to - from > 1) order.subarray(from, to).sort(compare);
    from = to;
  }
}
