/** Texts counted in memory, for tests that train a small vocabulary on them. */
import type { PatternName } from "../../tokenizer/pretokenizer/patterns.ts";
import { createCounter } from "../../tokenizer/training/counter.ts";
import type { Counted } from "../../tokenizer/training/merge-counts.ts";

/** The words of texts so few that nothing is spilled. */
export function countTexts(texts: Iterable<string>, pattern: PatternName): Counted {
  const counter = createCounter({ pattern }, "unused");
  for (const text of texts) counter.addText(text);
  const words = counter.words()!;
  const corpus = counter.corpus();
  return { words, different: words.size, wordsFrom: 1, corpus, pattern, unicode: "16.0.0" };
}
