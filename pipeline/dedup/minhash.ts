/**
 * Near-duplicates by MinHash, on disk from end to end: memory holds one task's keys, one merge's buffers or the
 * documents that have a duplicate, never the corpus. Two documents are duplicates if all rows of one bucket agree,
 * for texts that share a part s of their n-grams with probability 1 − (1 − s^rows)^buckets: 92 % at 0.8, 5 % at 0.5 with 14 buckets of 8. A text of fewer
 * than `ngram` tokens has no signature and is kept.
 */
import { choice, fraction, integer, type Options, optional, texts, type Values } from "../../lib/options.ts";
import { hash32 } from "../../lib/random.ts";
import type { CorpusStage } from "../corpus-stage.ts";
import type { Document } from "../document.ts";
import { keepPolicies } from "./clusters.ts";
import { earlierContents, tasksOf } from "./earlier.ts";
import { applyKeyed, collectKeyed, keyedRounds } from "./keyed.ts";
import { normalisations, tokenisations } from "./normalise.ts";
import { createSigner, keyWords, type Signer } from "./signature.ts";

const options = {
  ngram: integer(5, "tokens that make one shingle", { min: 1, max: 100 }),
  buckets: integer(14, "buckets of a signature; agreeing in one makes duplicates", { min: 1, max: 1000 }),
  rows: integer(8, "hashes in a bucket, all of which must agree", { min: 1, max: 100 }),
  seed: integer(1, "seed of the hash family", { min: 0, max: 4294967295 }),
  hash: choice("sha1", "hash of a shingle: sha1 as in FineWeb's example, or datatrove's newer xxhash64", [
    "sha1",
    "xxhash64",
  ] as const),
  normalisation: choice(
    "fineweb@2024-04",
    "how text is normalised: punctuation deleted, as released, or made a space",
    normalisations,
  ),
  tokens: choice(
    "whitespace",
    "what a token is: script-aware also splits Chinese, Japanese, Thai and the like by character; words splits as the filters do",
    tokenisations,
  ),
  keep: choice("first", "which document of a cluster is kept; ties by id", keepPolicies),
  verify: optional(
    fraction(0.7, "two documents also need this part of their shingles in common; null trusts the signature"),
  ),
  scope: choice(
    "run",
    "which documents are compared: all of the run, or only those of one crawl snapshot, or of one language",
    ["run", "snapshot", "language"] as const,
  ),
  against: texts(
    [],
    "workdirs of earlier runs: what is like a document that came to minhash there is dropped; relative to this run's workdir",
  ),
} satisfies Options;

type Settings = Values<typeof options>;

/** The crawl that a document's file belongs to, by its path; where the path names none, the file's folder. */
export function snapshotOf({ at }: Document): string {
  const crawl = /CC-MAIN-\d{4}-\d{2}/.exec(at.file);
  return crawl?.[0] ?? at.file.replace(/[^/]*$/, "");
}

/** Makes keys of different scopes different, so that they never meet. */
function confine(keys: Uint32Array, document: Document, scope: Settings["scope"]): void {
  if (scope === "run") return;
  const name = scope === "snapshot" ? snapshotOf(document) : String(document.meta["language"] ?? "");
  for (let k = 0; k < keyWords; k++) {
    const mask = hash32(k, name);
    for (let at = k; at < keys.length; at += keyWords) keys[at] = keys[at]! ^ mask;
  }
}

/** Signers are dear to build (112 pairs of 61-bit numbers, a module's memory) and hold no state between texts. */
let latest: { readonly key: string; readonly signer: Signer } | null = null;

const signing = ({ ngram, buckets, rows, seed, hash, normalisation, tokens }: Settings) => ({
  ngram,
  buckets,
  rows,
  seed,
  hash,
  normalisation,
  tokens,
});

/** What another run must have in common for its keys to be comparable. */
const compared = (values: Settings) => ({ ...signing(values), scope: values.scope });

function signerFor(values: Settings): Signer {
  const settings = signing(values);
  const key = JSON.stringify(settings);
  if (latest?.key !== key) latest = { key, signer: createSigner(settings) };
  return latest.signer;
}

function kept(document: Document, size: number, cluster: string | null): Document {
  const meta = {
    ...document.meta,
    minhash_cluster_size: size,
    ...(cluster === null ? {} : { minhash_cluster_id: cluster }),
  };
  return { ...document, meta };
}

export const minhash: CorpusStage<typeof options> = {
  name: "minhash",
  kind: "dedup",
  about: "drops near-duplicates: documents that share most of their word 5-grams with a kept one",
  source:
    "Broder 1997; Penedo et al. 2024 (FineWeb), section 3.4: 5-grams, 14 buckets of 8; datatrove, pipeline/dedup/minhash.py",
  options,
  reasons: ["duplicate"],
  measures: [],
  presets: {
    "fineweb@2024-04": { tokens: "words" },
    "fineweb@0.10": { normalisation: "fineweb@0.10", tokens: "words" },
    "fineweb-2": {
      hash: "xxhash64",
      normalisation: "fineweb@0.10",
      tokens: "script-aware",
      scope: "language",
    },
  },
  collected: values => ({
    ...signing(values),
    shingles: values.verify !== null,
    ...(values.scope === "run" ? {} : { scope: values.scope }),
  }),
  outside: (values, workdir) =>
    earlierContents(workdir, "minhash", values.against, compared(values), values.verify !== null),
  collect(values, context) {
    const signer = signerFor(values);
    const fill = (document: Document, keys: Uint32Array): boolean => {
      if (signer.sign(document.text) === 0) return false;
      signer.keys(keys);
      confine(keys, document, values.scope);
      return true;
    };
    return collectKeyed(context, values.buckets, fill, values.verify === null ? null : signer.shingles);
  },
  rounds: (values, tasks) =>
    keyedRounds(values.buckets, tasks, values.keep, values.verify, dir =>
      tasksOf(dir, tasks, values.against, compared(values), values.verify !== null),
    ),
  apply: async (_, context) =>
    applyKeyed(context, (document, member) => kept(document, member?.size ?? 1, member?.cluster ?? null)),
};
