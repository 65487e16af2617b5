/**
 * Drops texts that quote an evaluation set: any run of `ngram` words that also occurs in one of the files. Words are compared
 * without case, accents, punctuation and digits. The files' runs are kept as hashes with their place, 16 bytes a word
 * of evaluation text, and a hit is compared word by word.
 */
import { gunzipSync } from "node:zlib";
import { UserError } from "../../lib/errors.ts";
import { integer, type Options, texts } from "../../lib/options.ts";
import { hash32 } from "../../lib/random.ts";
import { normaliseText } from "../dedup/normalise.ts";
import type { Rejection, Stage } from "../stage.ts";
import { splitLines } from "../text/lines.ts";

const options = {
  against: texts(
    [],
    "evaluation files: JSON lines (every text in them counts) or plain text by line; gzip allowed",
  ),
  ngram: integer(13, "words of a run that may not be shared", { min: 2, max: 100 }),
  maxShared: integer(0, "drops above this many shared runs", { min: 0 }),
} satisfies Options;

const tokensOf = (text: string): string[] => normaliseText(text, "fineweb@0.10").split(" ").filter(Boolean);

/** Every text in a JSON value. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(textsIn);
}

function passages(bytes: Uint8Array, path: string): string[] {
  const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
  const lines = splitLines(new TextDecoder().decode(plain)).filter(line => line.trim() !== "");
  if (!/\.jsonl?(?:\.gz)?$/.test(path)) return lines;
  return lines.flatMap((line, i) => {
    try {
      return textsIn(JSON.parse(line));
    } catch {
      throw new UserError(`decontaminate: ${path}:${i + 1}: expected a JSON value on every line`);
    }
  });
}

export type Contamination = {
  /** Runs of the text that are in the evaluation texts. */
  shared(text: string): number;
};

const multiplier = 0x01000193;

export function contaminationOf(evaluation: readonly string[], ngram: number): Contamination {
  const words: number[] = [];
  /** Hash of a run to the place of its first word. */
  const places = new Map<number, number>();
  const runs = (tokens: readonly number[], visit: (hash: number, at: number) => void) => {
    let power = 1;
    for (let i = 1; i < ngram; i++) power = Math.imul(power, multiplier);
    let hash = 0;
    tokens.forEach((token, i) => {
      if (i >= ngram) hash = (hash - Math.imul(tokens[i - ngram]!, power)) | 0;
      hash = (Math.imul(hash, multiplier) + token) | 0;
      if (i >= ngram - 1) visit(hash, i - ngram + 1);
    });
  };
  const hashes = (text: string) => tokensOf(text).map(token => hash32(13, token));
  const sameRun = (tokens: readonly number[], at: number, place: number): boolean => {
    for (let k = 0; k < ngram; k++) if (tokens[at + k] !== words[place + k]) return false;
    return true;
  };
  for (const text of evaluation) {
    const tokens = hashes(text);
    const base = words.length;
    words.push(...tokens);
    runs(tokens, (hash, at) => {
      // Another run with the same hash keeps its own place, one step of the hash further.
      let slot = hash;
      for (let place = places.get(slot); place !== undefined; place = places.get(slot)) {
        if (sameRun(tokens, at, place)) return;
        slot = (slot + 1) | 0;
      }
      places.set(slot, base + at);
    });
  }
  return {
    shared(text) {
      const tokens = hashes(text);
      let count = 0;
      runs(tokens, (hash, at) => {
        for (let slot = hash; ; slot = (slot + 1) | 0) {
          const place = places.get(slot);
          if (place === undefined) return;
          if (!sameRun(tokens, at, place)) continue;
          count++;
          return;
        }
      });
      return count;
    },
  };
}

function reject(shared: number, maxShared: number): Rejection | null {
  return shared > maxShared ? { reason: "evaluation-text", value: shared, threshold: maxShared } : null;
}

export const decontaminate: Stage<typeof options> = {
  name: "decontaminate",
  kind: "filter",
  about: "drops texts that share a run of 13 words with an evaluation set",
  source: "Brown et al. 2020 (GPT-3), appendix C: 13-grams",
  options,
  reasons: ["evaluation-text"],
  measures: ["shared_runs"],
  measuring: ["against", "ngram"],
  reject: (measures, values) => reject(measures["shared_runs"]!, values.maxShared),
  marks: ({ maxShared }) => [
    { measure: "shared_runs", at: maxShared, drops: "above", reason: "evaluation-text" },
  ],
  async build(values, { load }) {
    if (values.against.length === 0)
      throw new UserError(
        "decontaminate: expected at least one evaluation file, got none",
        "Name one, for example  - decontaminate: { against: [evals/hellaswag.jsonl] }",
      );
    const evaluation: string[] = [];
    for (const path of values.against)
      for (const passage of passages(await load(path), path)) evaluation.push(passage);
    const contamination = contaminationOf(evaluation, values.ngram);
    return document => {
      const shared = contamination.shared(document.text);
      const measures = { shared_runs: shared };
      const rejection = reject(shared, values.maxShared);
      return rejection
        ? { drop: rejection.reason, value: rejection.value, threshold: rejection.threshold, measures }
        : { keep: document, measures };
    };
  },
};
