/**
 * Every stage of the pipeline by name: one line each, in the order in which the fineweb recipe runs them. The
 * tokenizer's, the trainer's and the sampler's stages are not documents' business and are listed in cli/catalogue.ts.
 */

import type { CorpusStage } from "./corpus-stage.ts";
import { exactDedup } from "./dedup/exact-dedup.ts";
import { lineDedup } from "./dedup/line-dedup.ts";
import { minhash } from "./dedup/minhash.ts";
import { substringDedup } from "./dedup/substring-dedup.ts";
import { urlDedup } from "./dedup/url-dedup.ts";
import { extract } from "./extractors/extract.ts";
import { badWords } from "./filters/bad-words.ts";
import { c4Quality } from "./filters/c4-quality.ts";
import { custom } from "./filters/custom.ts";
import { decontaminate } from "./filters/decontaminate.ts";
import { finewebQuality } from "./filters/fineweb-quality.ts";
import { gopherQuality } from "./filters/gopher-quality.ts";
import { gopherRepetition } from "./filters/gopher-repetition.ts";
import { language } from "./filters/language.ts";
import { lineCleaner } from "./filters/line-cleaner.ts";
import { optOut } from "./filters/opt-out.ts";
import { qualityClassifier } from "./filters/quality-classifier.ts";
import { urlFilter } from "./filters/url-filter.ts";
import { pii } from "./formatters/pii.ts";
import type { Stage } from "./stage.ts";

// biome-ignore lint/suspicious/noExplicitAny: stages with different options stand in one list
type AnyStage = Stage<any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyCorpusStage = CorpusStage<any>;

export const documentStages: ReadonlyMap<string, AnyStage> = byName<AnyStage>([
  urlFilter,
  optOut,
  extract,
  language,
  gopherRepetition,
  gopherQuality,
  c4Quality,
  finewebQuality,
  badWords,
  lineCleaner,
  decontaminate,
  qualityClassifier,
  custom,
  pii,
]);

export const corpusStages: ReadonlyMap<string, AnyCorpusStage> = byName<AnyCorpusStage>([
  urlDedup,
  exactDedup,
  minhash,
  lineDedup,
  substringDedup,
]);

function byName<S extends { readonly name: string }>(stages: readonly S[]): ReadonlyMap<string, S> {
  return new Map(stages.map(stage => [stage.name, stage]));
}
