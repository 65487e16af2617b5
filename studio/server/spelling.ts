/**
 * Which words of a training run's samples exist: those that stand in the curated corpus. A nano model writes letters,
 * then syllables, then words; the share of its words that exist tells when. The corpus is read until 8 M characters,
 * so rare words of a large corpus may be called unknown: the share is a little low, its rise is not.
 */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { openTable } from "../../lib/parquet.ts";
import type { SampleSpelling, Spelling } from "../api.ts";
import { readLines } from "./training.ts";
import { markOf, partsOf } from "./workdir.ts";

const mostCharacters = 8_000_000;
const word = /\p{L}[\p{L}\p{M}]*(?:['’]\p{L}+)*/gu;
/** A run of samples that must all reach the share before the model is said to spell. */
const [steady, enough] = [3, 0.9];

export const wordsOf = (text: string): string[] => (text.match(word) ?? []).map(one => one.toLowerCase());

/** The step from which on three samples together have nine words of ten that exist; null where it never came. */
export function spellsFrom(samples: readonly SampleSpelling[]): number | null {
  for (let i = 0; i + steady <= samples.length; i++) {
    const next = samples.slice(i, i + steady);
    const words = next.reduce((sum, one) => sum + one.words, 0);
    const unknown = next.reduce((sum, one) => sum + one.unknown, 0);
    if (words > 0 && 1 - unknown / words >= enough) return samples[i]!.step;
  }
  return null;
}

async function corpusWords(paths: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>();
  let left = mostCharacters;
  for (const path of paths) {
    const table = await openTable(path);
    try {
      for await (const { text } of table.read({ columns: ["text"] })) {
        for (const one of wordsOf(String(text))) known.add(one);
        left -= String(text).length;
        if (left <= 0) return known;
      }
    } finally {
      table.close();
    }
    await setImmediate();
  }
  return known;
}

export function openSpelling(workdir: string): () => Promise<Spelling> {
  let held: { mark: string; known: Promise<Set<string>> } | null = null;
  return async () => {
    const paths = partsOf(join(workdir, "documents"));
    const mark = markOf(paths);
    if (held?.mark !== mark) held = { mark, known: corpusWords(paths) };
    const known = await held.known;
    const lines = readLines<{ step: number; text: string }>(join(workdir, "model", "samples.jsonl"));
    const samples = lines.map(({ step, text }): SampleSpelling => {
      const words = wordsOf(text);
      const strange = known.size === 0 ? [] : words.filter(one => !known.has(one));
      return { step, words: words.length, unknown: strange.length, strange: [...new Set(strange)] };
    });
    return { known: known.size, samples, from: known.size === 0 ? null : spellsFrom(samples) };
  };
}
