/** What training and evaluation need to know of a tokenizer: no more than this. */
export type Vocabulary = {
  readonly size: number;
  /** End-of-text id: closes each document, begins each sample. */
  readonly eot: number;
  /** Bytes of each token's text; 0 for special tokens, which bits per byte leaves out. */
  readonly bytesPerToken: Uint8Array | Uint16Array;
  decode(ids: Uint32Array | readonly number[]): string;
  encode(text: string): Uint32Array;
};
