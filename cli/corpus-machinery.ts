/** What the jobs between documents and training are made of: one import, made when the first of them runs. */
export { createEncoder } from "../tokenizer/encoder.ts";
export { loadTokenizer, saveTokenizer } from "../tokenizer/files.ts";
export { encodeDocuments } from "../tokenizer/shards/encode-documents.ts";
export { shardFileName } from "../tokenizer/shards/format.ts";
export { writeManifest } from "../tokenizer/shards/manifest.ts";
export { trainingCosts } from "../tokenizer/training/costs.ts";
export { countTexts } from "../tokenizer/training/counter.ts";
export { joinCounts } from "../tokenizer/training/join-counts.ts";
export { mergeCounts } from "../tokenizer/training/merge-counts.ts";
export { trainFromCounts } from "../tokenizer/training/train.ts";
export { endOfTextId, vocabularySize } from "../tokenizer/vocabulary.ts";
