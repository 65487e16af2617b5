/** `curate tokenizer train`: a BPE vocabulary of text, JSON lines or Parquet. */
import { relative, resolve } from "node:path";
import { UserError } from "../lib/errors.ts";
import { saveTokenizer } from "../tokenizer/files.ts";
import { type PatternName, patternNames } from "../tokenizer/pretokenizer/patterns.ts";
import { trainingCosts } from "../tokenizer/training/costs.ts";
import { defaultPieceCap } from "../tokenizer/training/counter.ts";
import { type TieRule, tieRules } from "../tokenizer/training/training.ts";
import { unicodeVersions } from "../tokenizer/unicode.ts";
import { vocabularySize } from "../tokenizer/vocabulary.ts";
import type { FlagValues } from "./command.ts";
import { expandFiles } from "./files.ts";
import { oneOf } from "./named-tokenizer.ts";
import { openProgress } from "./progress.ts";
import { bytes, duration, json, number, out } from "./terminal.ts";
import type { tokenizerFlags } from "./tokenizer.ts";

function wholeNumber(
  flag: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new UserError(`--${flag}: expected a whole number ${range}, got ${value}`);
  }
  return value;
}

function share(flag: string, value = 1): number {
  if (!(value > 0 && value <= 1))
    throw new UserError(`--${flag}: expected a number above 0 and up to 1, got ${value}`);
  return value;
}

export async function trainOn(
  patterns: readonly string[],
  given: FlagValues<typeof tokenizerFlags>,
): Promise<void> {
  const files = expandFiles(patterns);
  if (given.out === undefined)
    throw new UserError("where to? --out is missing", "For example  --out my-tokenizer");
  const specials = given.special.length > 0 ? given.special : ["<|endoftext|>"];
  const vocabSize = wholeNumber("vocab-size", given["vocab-size"], 32768, 256 + specials.length);
  const options = {
    ...{ files, vocabSize, specials, endOfText: specials[0]! },
    pattern: oneOf<PatternName>("pattern", given.pattern, patternNames, "nanochat"),
    ties: oneOf<TieRule>("ties", given.ties, tieRules, "byte-ids"),
    split: oneOf("split", given.split, ["documents", "lines"] as const, "documents"),
    minFrequency: wholeNumber("min-frequency", given["min-frequency"], 1, 1),
    memory: wholeNumber("memory", given.memory, 1024, 16) * 2 ** 20,
    sample: share("sample", given.sample),
    seed: wholeNumber("seed", given.seed, 0, 0),
    pieceCap: wholeNumber("piece-cap", given["piece-cap"], defaultPieceCap, 16, 60000),
    ...(given["doc-cap"] === undefined ? {} : { docCap: wholeNumber("doc-cap", given["doc-cap"], 1, 1) }),
    ...(given.unicode === undefined ? {} : { unicode: oneOf("unicode", given.unicode, unicodeVersions, "") }),
    ...(given.workers === undefined ? {} : { workers: wholeNumber("workers", given.workers, 1, 1) }),
  };
  const { trainTokenizer } = await import("../tokenizer/training/train-files.ts");
  const progress = openProgress(process.stderr, given.json);
  const began = Date.now();
  let meter = progress.start("counting", { units: 1 });
  let phase = "count";
  let seen = 0;
  const trained = await trainTokenizer({
    ...options,
    onProgress(step) {
      if (step.phase !== phase) {
        phase = step.phase;
        meter = progress.start("merging", { units: step.total });
        seen = 0;
      }
      const unit = phase === "count" ? 1 / Math.max(1, step.total) : 1;
      meter.add({
        units: (step.done - seen) * unit,
        note:
          phase === "count" ? `${bytes(step.done)} of ${bytes(step.total)}` : `${number(step.done)} merges`,
      });
      seen = step.done;
    },
  });
  const saved = saveTokenizer(trained.vocabulary, resolve(given.out), trained.training);
  const { corpus, words } = trained.training;
  const costs = trainingCosts(trained.training);
  if (vocabularySize(trained.vocabulary) < vocabSize)
    costs.push(
      `the corpus gives ${number(vocabularySize(trained.vocabulary))} tokens, not ${number(vocabSize)}: no other pair occurs ${options.minFrequency === 1 ? "at all" : `${options.minFrequency} times`}`,
    );
  const result = {
    vocabulary: vocabularySize(trained.vocabulary),
    hash: saved.hash,
    seconds: (Date.now() - began) / 1000,
    corpus,
    words,
    unread: trained.unread,
    costs,
  };
  if (given.json) return json(result);
  out(
    `${number(result.vocabulary)} tokens from ${bytes(corpus.bytes)} in ${number(corpus.documents)} documents, ${number(words)} different pieces, ${duration(result.seconds)}`,
  );
  for (const cost of costs) out(cost);
  if (trained.unread > 0) out(`without text: ${number(trained.unread)} lines or rows`);
  for (const file of saved.files) out(relative(process.cwd(), file.path) || file.path);
}
