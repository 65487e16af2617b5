/**
 * The tokenizer to look into: texts as tokens of our vocabulary beside the published ones, the vocabulary's own
 * entries, the merges of a word, bytes a token by language. Encoders are made when first asked for; the published
 * vocabularies come with the package tiktoken and are left out where it is not installed.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { UserError } from "../../lib/errors.ts";
import { readTable } from "../../lib/parquet.ts";
import { createDecoder } from "../../tokenizer/decoder.ts";
import { createEncoder, type Encoder } from "../../tokenizer/encoder.ts";
import { loadTokenizer } from "../../tokenizer/files.ts";
import { compression } from "../../tokenizer/inspect/compression.ts";
import { replay } from "../../tokenizer/inspect/replay.ts";
import { segmentsOf } from "../../tokenizer/inspect/segments.ts";
import { countUses, type TokenFacts, tokenFacts } from "../../tokenizer/inspect/tokens.ts";
import type { Compression, MergeReplay, Tokenized, VocabularyPage } from "../api.ts";
import { markOf, partsOf } from "./workdir.ts";

const published = ["gpt2", "cl100k_base", "o200k_base"] as const;
const mostText = 200_000;
const pageSize = 200;
const sampledDocuments = 300;

export type Which = "own" | "published" | "all";

export type VocabularyRoom = {
  tokenize(text: string, which: Which): Promise<Tokenized>;
  /** UserError where the run has no vocabulary. */
  tokensIn(text: string): number;
  page(query: string, from: number): VocabularyPage;
  merges(word: string): MergeReplay;
  compression(): Promise<Compression>;
};

type Own = {
  readonly mark: string;
  readonly encoder: Encoder;
  facts: TokenFacts[] | null;
  uses: Float64Array | null;
  compressed: Promise<Compression> | null;
};

/** Bytes as text for a label; parts of characters as hexadecimal. */
export function tokenText(bytes: Uint8Array | undefined): string {
  if (!bytes) return "";
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return text.includes("\ufffd")
    ? Array.from(bytes, byte => `\\x${byte.toString(16).padStart(2, "0")}`).join("")
    : text;
}

export function openVocabulary(workdir: string): VocabularyRoom {
  const folder = join(workdir, "tokenizer");
  let own: Own | null = null;
  /** Of the vocabulary as it is now: a run may be made anew beside an open page. */
  const ours = () => {
    const path = join(folder, "tokenizer.json");
    const manifest = join(workdir, "shards", "manifest.json");
    if (!existsSync(path))
      throw new UserError("this run has no vocabulary yet", "It comes with the stage tokenizer.");
    const mark = markOf([path, manifest]);
    if (own?.mark !== mark) {
      const encoder = createEncoder(loadTokenizer(folder).vocabulary);
      own = { mark, encoder, facts: null, uses: null, compressed: null };
    }
    return own;
  };
  const others = new Map<string, Encoder | null>();
  const publishedEncoder = (name: string): Encoder | null => {
    if (!others.has(name)) {
      try {
        others.set(name, createEncoder(loadTokenizer(name).vocabulary, { cacheBits: 12 }));
      } catch {
        others.set(name, null);
      }
    }
    return others.get(name)!;
  };
  const encodersOf = async (which: Which): Promise<{ name: string; encoder: Encoder }[]> => {
    const list = which === "published" ? [] : [{ name: "this run", encoder: ours().encoder }];
    for (const name of which === "own" ? [] : published) {
      // Each takes half a second to load: let other requests in between.
      await setImmediate();
      const encoder = publishedEncoder(name);
      if (encoder) list.push({ name, encoder });
    }
    return list;
  };
  const factsOf = () => {
    const held = ours();
    held.facts ??= tokenFacts(held.encoder);
    if (!held.uses && existsSync(join(workdir, "shards", "manifest.json")))
      held.uses = countUses(join(workdir, "shards"), "train");
    return { facts: held.facts, uses: held.uses };
  };
  return {
    async tokenize(text, which) {
      if (text.length > mostText)
        throw new UserError(`expected at most ${mostText} characters, got ${text.length}`);
      return {
        bytes: Buffer.byteLength(text),
        characters: [...text].length,
        vocabularies: (await encodersOf(which)).map(({ name, encoder }) => {
          const ids = encoder.encode(text);
          return {
            name,
            size: encoder.size,
            tokens: ids.length,
            segments: segmentsOf(encoder.vocabulary, ids).map(({ ids: own, text: part, bytes }) => ({
              ids: own,
              text: part,
              bytes,
            })),
          };
        }),
      };
    },
    tokensIn: text => ours().encoder.count(text),
    page(query, from) {
      const { encoder } = ours();
      const { facts, uses } = factsOf();
      const decoder = createDecoder(encoder.vocabulary);
      const text = (id: number) => tokenText(decoder.bytesOf(id));
      const wanted = query === "" ? facts : facts.filter(fact => matches(fact, query));
      return {
        size: encoder.size,
        pattern: encoder.vocabulary.pattern,
        total: wanted.length,
        tokens: wanted.slice(from, from + pageSize).map(fact => ({
          id: fact.id,
          text: tokenText(fact.bytes),
          bytes: fact.bytes.length,
          kind: fact.class,
          uses: uses ? uses[fact.id]! : null,
          parents: fact.parents ? [text(fact.parents[0]), text(fact.parents[1])] : null,
        })),
      };
    },
    merges(word) {
      const { encoder } = ours();
      const decoder = createDecoder(encoder.vocabulary);
      const text = (id: number) => tokenText(decoder.bytesOf(id));
      return {
        pieces: replay(encoder, word.slice(0, 400)).map(({ bytes, steps, ids }) => ({
          start: bytes.map(text),
          steps: steps.map(({ rank, left, right, ids: after }) => ({
            rank,
            left: text(left),
            right: text(right),
            parts: after.map(text),
          })),
          ids,
        })),
      };
    },
    async compression() {
      const held = ours();
      held.compressed ??= encodersOf("all").then(list => compare(workdir, list));
      return held.compressed;
    },
  };
}

/** A number finds an id, anything else tokens that contain it. */
function matches({ id, bytes }: TokenFacts, query: string): boolean {
  if (/^#\d+$/.test(query)) return id === Number(query.slice(1));
  return tokenText(bytes).includes(query);
}

async function compare(
  workdir: string,
  vocabularies: readonly { readonly name: string; readonly encoder: Encoder }[],
): Promise<Compression> {
  const samples: { group: string; text: string }[] = [];
  const parts = partsOf(join(workdir, "documents"));
  for (const path of parts) {
    let taken = 0;
    for await (const { text, language } of readTable(path, ["text", "language"])) {
      samples.push({ group: String(language ?? "unknown"), text: String(text).slice(0, 20_000) });
      if (++taken >= Math.ceil(sampledDocuments / parts.length)) break;
    }
  }
  const rows = compression(samples, vocabularies);
  return {
    vocabularies: vocabularies.map(({ name }) => name),
    rows: rows.map(({ group, documents, bytes, tokens }) => ({
      group,
      documents,
      bytesPerToken: tokens.map(count => (count === 0 ? 0 : bytes / count)),
    })),
  };
}
