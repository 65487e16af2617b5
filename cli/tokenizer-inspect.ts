/**
 * `curate tokenizer inspect`: a vocabulary as a person wants to see it, the tokens of a text in colour, the merges of
 * a word. The report is data first (`--json`), then words; tokenizer-report.ts writes the words.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { readTable } from "../lib/parquet.ts";
import { createDecoder } from "../tokenizer/decoder.ts";
import { createEncoder, type Encoder } from "../tokenizer/encoder.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/files.ts";
import { compression, type Rival, wholeWords } from "../tokenizer/inspect/compression.ts";
import {
  kindOf,
  oddTokens,
  scriptOf,
  spellings,
  swallowedBy,
  tokenKinds,
} from "../tokenizer/inspect/kinds.ts";
import { replay } from "../tokenizer/inspect/replay.ts";
import { coloured, segmentsOf } from "../tokenizer/inspect/segments.ts";
import {
  countOccurrences,
  longestTokens,
  type Occurrences,
  rareTokens,
  type TokenFacts,
  tokenFacts,
  usage,
} from "../tokenizer/inspect/tokens.ts";
import { trainingCosts } from "../tokenizer/training/costs.ts";
import { vocabularySize } from "../tokenizer/vocabulary.ts";
import { tokenizerOf } from "./named-tokenizer.ts";
import { colourful, fill, json, lineWidth, number, out, printable, styled } from "./terminal.ts";
import { printReport, tokenLabel } from "./tokenizer-report.ts";

type Given = {
  readonly tokenizer?: string | undefined;
  readonly workdir?: string | undefined;
  readonly pattern?: string | undefined;
  readonly unicode?: string | undefined;
  readonly file?: string | undefined;
  readonly word?: string | undefined;
  readonly json: boolean;
};

export async function inspectTokenizer(given: Given): Promise<void> {
  const tokenizer = await tokenizerOf(given);
  const encoder = createEncoder(tokenizer.vocabulary);
  if (given.word !== undefined) return showReplay(encoder, given.word, given.json);
  if (given.file !== undefined) return showText(encoder, given.file, given.json);
  const report = await reportOn(tokenizer, encoder, await workdirBeside(given));
  if (given.json) return json(report);
  printReport(report);
}

const shownTokens = 20;
const mostListed = 2000;

export type ShownToken = {
  readonly id: number;
  /** The token as text in quotes, bytes that are no character as hexadecimal. */
  readonly text: string;
  readonly bytes: number;
  readonly uses?: number;
  readonly documents?: number;
};

export type Report = Awaited<ReturnType<typeof reportOn>>;

async function reportOn({ vocabulary, training }: Tokenizer, encoder: Encoder, workdir: string | null) {
  const facts = tokenFacts(encoder);
  const shards = workdir && join(workdir, "shards");
  const seen = shards && existsSync(join(shards, "manifest.json")) ? countOccurrences(shards, "train") : null;
  const shown = showing(seen);
  const list = (tokens: readonly TokenFacts[], most = mostListed) => tokens.slice(0, most).map(shown);
  const classes: Record<string, number> = {};
  for (const fact of facts) classes[fact.class] = (classes[fact.class] ?? 0) + 1;

  const rivals = publishedRivals(encoder);
  const samples = workdir ? await sampleTexts(workdir) : [];
  const byName = (tokens: readonly number[]) =>
    Object.fromEntries(rivals.map(({ name }, i) => [name, tokens[i]!]));
  const rows = (group: (sample: Sample) => string) =>
    compression(
      samples.map(sample => ({ group: group(sample), text: sample.text })),
      rivals,
    ).map(row => ({ ...row, tokens: byName(row.tokens) }));

  const rare = seen ? rareTokens(facts, seen.uses, 0) : null;
  const unusedTokens = rare?.filter(({ class: found }) => found !== "byte") ?? [];
  const swallowed = seen ? swallowedBy(unusedTokens, facts, seen.uses) : new Map<number, TokenFacts>();
  const odd = oddTokens(facts, seen);
  const merged = facts.filter(({ parents }) => parents !== null);
  return {
    size: vocabularySize(vocabulary),
    pattern: vocabulary.pattern,
    unicode: vocabulary.unicode,
    training,
    costs: training ? trainingCosts(training) : [],
    classes,
    kinds: tokenKinds.map(kind => {
      const own = facts.filter(fact => kindOf(fact) === kind);
      const uses = seen ? own.reduce((sum, { id }) => sum + seen.uses[id]!, 0) : null;
      return { kind, tokens: own.length, uses, examples: list(own, 8) };
    }),
    scripts: counted(facts.filter(fact => fact.class !== "special").map(({ bytes }) => scriptOf(bytes))),
    spellings: spellings(facts),
    usage: seen ? usage(seen.uses) : null,
    lastMerges: list(merged.slice(-8)),
    longest: list(longestTokens(facts, shownTokens)),
    frequent: seen
      ? list([...facts].sort((a, b) => seen.uses[b.id]! - seen.uses[a.id]!).slice(0, shownTokens))
      : null,
    odd: odd.slice(0, mostListed).map(({ fact, oddity }) => ({ ...shown(fact), oddity })),
    rare: rare ? list(rare) : null,
    unused: unusedTokens.slice(0, mostListed).map(fact => ({
      ...shown(fact),
      within: swallowed.has(fact.id) ? shown(swallowed.get(fact.id)!).text : null,
    })),
    unreachable: list(facts.filter(fact => fact.class === "unreachable" || fact.class === "unreached")),
    rivals: rivals.map(({ name, encoder }) => ({ name, size: encoder.size })),
    compression: rows(sample => sample.language),
    compressionBySource: rows(sample => sample.source),
    wholeWords: byName(
      wholeWords(
        samples.map(({ text }) => text),
        rivals,
      ),
    ),
  };
}

function showing(seen: Occurrences | null): (fact: TokenFacts) => ShownToken {
  return ({ id, bytes }) => ({
    id,
    text: tokenLabel(bytes),
    bytes: bytes.length,
    ...(seen ? { uses: seen.uses[id] ?? 0, documents: seen.documents[id] ?? 0 } : {}),
  });
}

function counted(names: readonly (string | null)[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) if (name !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}

async function workdirBeside(given: Given): Promise<string | null> {
  if (given.tokenizer === undefined) return (await import("./load.ts")).workdirOf(given.workdir);
  const parent = join(given.tokenizer, "..");
  return existsSync(join(parent, "run.json")) ? parent : null;
}

/** Ours, and the published encodings that are installed. */
function publishedRivals(own: Encoder): Rival[] {
  const rivals: Rival[] = [{ name: "this", encoder: own }];
  for (const name of ["gpt2", "cl100k_base", "o200k_base"]) {
    try {
      rivals.push({ name, encoder: createEncoder(loadTokenizer(name).vocabulary, { cacheBits: 14 }) });
    } catch {}
  }
  return rivals;
}

type Sample = { readonly text: string; readonly language: string; readonly source: string };

const sampledParts = 40;
const sampledDocuments = 400;

/** Up to 400 documents of the run from up to 40 of its parts, evenly spread. */
async function sampleTexts(workdir: string): Promise<Sample[]> {
  const dir = join(workdir, "documents");
  const names = existsSync(dir) ? readdirSync(dir).sort() : [];
  const parts = Math.min(sampledParts, names.length);
  const chosen = Array.from({ length: parts }, (_, i) => names[Math.floor((i * names.length) / parts)]!);
  const samples: Sample[] = [];
  for (const [i, name] of chosen.entries()) {
    const until = Math.ceil(((i + 1) * sampledDocuments) / parts);
    for await (const row of readTable(join(dir, name), ["text", "language", "url"])) {
      if (samples.length >= until) break;
      const source = hostOf(String(row["url"] ?? ""));
      samples.push({
        text: String(row["text"] ?? ""),
        language: String(row["language"] ?? "unknown"),
        source,
      });
    }
  }
  return samples;
}

function hostOf(url: string): string {
  try {
    return new URL(url).hostname.replace(/^www\./, "") || "unknown";
  } catch {
    return "unknown";
  }
}

function showText(encoder: Encoder, file: string, asJson: boolean): void {
  if (!existsSync(file)) throw new UserError(`there is no file ${file}`);
  const text = readFileSync(file, "utf8");
  const bytes = Buffer.byteLength(text);
  const ids = encoder.encode(text);
  const segments = segmentsOf(encoder.vocabulary, ids);
  const rivals = Object.fromEntries(
    publishedRivals(encoder)
      .slice(1)
      .map(rival => [rival.name, rival.encoder.count(text)]),
  );
  if (asJson) return json({ tokens: ids.length, bytes, rivals, segments });
  out(
    coloured(
      segments.map(segment => ({
        ...segment,
        text: segment.text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, printable),
      })),
      { colour: colourful(process.stdout) },
    ),
  );
  const others = Object.entries(rivals).map(([name, tokens]) => `${name} ${number(tokens)}`);
  out(
    `${number(ids.length)} tokens, ${number(bytes)} bytes, ${(bytes / Math.max(1, ids.length)).toFixed(2)} bytes a token${others.length > 0 ? styled(`  ·  ${others.join(", ")} tokens`, "dim") : ""}`,
  );
}

function showReplay(encoder: Encoder, word: string, asJson: boolean): void {
  const pieces = replay(encoder, word);
  if (asJson)
    return json(pieces.map(piece => ({ ...piece, piece: Buffer.from(piece.piece).toString("utf8") })));
  const decoder = createDecoder(encoder.vocabulary);
  const text = (id: number) => tokenLabel(decoder.bytesOf(id)!);
  for (const { piece, bytes, steps, ids } of pieces) {
    out(styled(tokenLabel(piece), "bold"));
    out(hanging("", bytes.map(text)));
    for (const step of steps) {
      const shown = step.ids.map(id => (id === step.id ? styled(text(id), "green") : text(id)));
      out(hanging(`merge ${step.rank}`, shown));
    }
    out(hanging("ids", ids.map(String)));
  }
}

/** A label of up to 11 columns and words beside it, in as many lines as they take. */
function hanging(label: string, words: readonly string[]): string {
  const lines = fill(words, lineWidth() - 14);
  return lines.map((line, i) => `  ${(i === 0 ? label : "").padEnd(11)} ${line.join(" ")}`).join("\n");
}
