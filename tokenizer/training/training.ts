/**
 * The record of a training run, as it stands in training.json: what the vocabulary was trained on, with which rules,
 * what the caps cost, and how often each merge's pair occurred. Enough to look into the tokenizer later and to train
 * it again. Knows nothing of how training is done.
 */
import type { PatternName } from "../pretokenizer/patterns.ts";

export const tieRules = ["byte-ids", "hugging-face", "first-seen", "greatest-bytes"] as const;
export type TieRule = (typeof tieRules)[number];

/** What counting saw. Numbers are exact up to 2^53. */
export type Corpus = {
  readonly documents: number;
  /** UTF-8 bytes of all documents, before any cap. */
  readonly bytes: number;
  /** Pieces counted. */
  readonly pieces: number;
  /** Bytes beyond the document cap, not counted. */
  readonly cappedDocuments: number;
  readonly cappedDocumentBytes: number;
  /** Pieces longer than the piece cap, which were cut; no byte is lost by that. */
  readonly cutPieces: number;
  /** Documents left out by sampling, and their bytes; neither is part of `documents` and `bytes`. */
  readonly sampledOut: number;
  readonly sampledOutBytes: number;
};

export type Training = {
  /** sha256 of the tokenizer.json this belongs to. */
  readonly tokenizer: string;
  readonly pattern: PatternName;
  readonly unicode: string;
  readonly ties: TieRule;
  readonly endOfText: string | null;
  readonly minFrequency: number;
  readonly corpus: Corpus;
  /** Different pieces (words), how many of them trained, and a hash of these and their counts, whatever their order. */
  readonly words: number;
  readonly trainedWords: number;
  readonly wordsHash: string;
  /** Words that occur less often than this were left out to stay within the memory given; 1 where none was. */
  readonly wordsFrom: number;
  /** Occurrences of each merge's pair when it was merged, in merge order. */
  readonly mergeCounts: readonly number[];
};
