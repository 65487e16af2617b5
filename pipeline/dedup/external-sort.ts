/**
 * Sorts more records than memory holds: fills a buffer, sorts it by radix, writes it as a run, merges the runs. Records
 * are a fixed number of u32 words and come out ascending by all of them, each once however often it was added.
 */
import { rmSync } from "node:fs";
import { createChecked } from "./checked-file.ts";
import { mergeRuns, type Run } from "./merge.ts";

export type Sorter = {
  add(...words: readonly number[]): void;
  /** Calls `visit` with every different record in order, then removes the runs; the array is reused. */
  drain(visit: (record: Uint32Array) => void): void;
};

/** Files one merge keeps open. */
const fanIn = 64;
const digits = 1 << 16;

/** Sorts `count` records of `words` words in place, by least significant digit first. */
export function sortRecords(data: Uint32Array, words: number, count: number): void {
  let from: Uint32Array = data;
  let to: Uint32Array = new Uint32Array(count * words);
  const starts = new Uint32Array(digits + 1);
  for (let word = words - 1; word >= 0; word--) {
    for (const shift of [0, 16]) {
      starts.fill(0);
      for (let i = 0; i < count; i++) starts[((from[i * words + word]! >>> shift) & 0xffff) + 1]!++;
      const first = (from[word]! >>> shift) & 0xffff;
      if (starts[first + 1] === count) continue;
      for (let digit = 0; digit < digits; digit++) starts[digit + 1]! += starts[digit]!;
      for (let i = 0; i < count; i++) {
        const digit = (from[i * words + word]! >>> shift) & 0xffff;
        const target = starts[digit]!++ * words;
        for (let k = 0; k < words; k++) to[target + k] = from[i * words + k]!;
      }
      [from, to] = [to, from];
    }
  }
  if (from !== data) data.set(from.subarray(0, count * words));
}

/** `temporary(n)` gives the path of the n-th run; `memory` is for everything the sorter holds. */
export function createSorter(words: number, memory: number, temporary: (n: number) => string): Sorter {
  const capacity = Math.max(64, Math.floor(memory / (words * 4 * 2)));
  let data = new Uint32Array(Math.min(capacity, 4096) * words);
  let count = 0;
  let files = 0;
  const runs: Run[] = [];

  const spill = () => {
    sortRecords(data, words, count);
    const path = temporary(files++);
    const file = createChecked<null>(path);
    file.write(new Uint8Array(data.buffer, 0, count * words * 4));
    const section = file.endSection();
    file.commit(null);
    runs.push({ path, section, words });
    count = 0;
  };

  return {
    add(...record) {
      if (count === capacity) spill();
      if (count * words === data.length) {
        const longer = new Uint32Array(Math.min(capacity * words, data.length * 2));
        longer.set(data);
        data = longer;
      }
      for (let k = 0; k < words; k++) data[count * words + k] = record[k]!;
      count++;
    },
    drain(visit) {
      const previous = new Uint32Array(words);
      let started = false;
      const once = (record: Uint32Array) => {
        if (started && record.every((word, k) => word === previous[k])) return;
        started = true;
        previous.set(record);
        visit(record);
      };
      if (runs.length === 0) {
        sortRecords(data, words, count);
        for (let i = 0; i < count; i++) once(data.subarray(i * words, (i + 1) * words));
      } else {
        if (count > 0) spill();
        data = new Uint32Array(0);
        try {
          mergeRuns(runs, words, { fanIn, memory, temporary: n => temporary(files + n) }, once);
        } finally {
          for (const { path } of runs) rmSync(path, { force: true });
        }
      }
      runs.length = 0;
      count = 0;
      data = new Uint32Array(Math.min(capacity, 4096) * words);
    },
  };
}
