/** `curate tokenizer inspect`: coloured tokens of a text, merges of a word, the vocabulary's odd corners. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { readTable } from "../lib/parquet.ts";
import { createDecoder } from "../tokenizer/decoder.ts";
import { createEncoder, type Encoder } from "../tokenizer/encoder.ts";
import { loadTokenizer } from "../tokenizer/files.ts";
import { compression, type Rival } from "../tokenizer/inspect/compression.ts";
import { replay } from "../tokenizer/inspect/replay.ts";
import { coloured, segmentsOf } from "../tokenizer/inspect/segments.ts";
import {
  countUses,
  longestTokens,
  rareTokens,
  type TokenFacts,
  tokenFacts,
  usage,
} from "../tokenizer/inspect/tokens.ts";
import { vocabularySize } from "../tokenizer/vocabulary.ts";
import { colourful, json, number, out, percent, printable, styled, table } from "./terminal.ts";
import { tokenizerOf } from "./tokenizer.ts";

type Given = {
  readonly tokenizer?: string | undefined;
  readonly workdir?: string | undefined;
  readonly file?: string | undefined;
  readonly word?: string | undefined;
  readonly json: boolean;
};

export async function inspectTokenizer(given: Given): Promise<void> {
  const { vocabulary, training } = await tokenizerOf(given);
  const encoder = createEncoder(vocabulary);
  if (given.word !== undefined) return showReplay(encoder, given.word, given.json);
  if (given.file !== undefined) {
    if (!existsSync(given.file)) throw new UserError(`there is no file ${given.file}`);
    const text = readFileSync(given.file, "utf8");
    const ids = encoder.encode(text);
    const segments = segmentsOf(vocabulary, ids);
    if (given.json) return json({ tokens: ids.length, bytes: Buffer.byteLength(text), segments });
    out(
      coloured(
        segments.map(segment => ({
          ...segment,
          text: segment.text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, printable),
        })),
        { colour: colourful(process.stdout) },
      ),
    );
    return out(
      `${number(ids.length)} tokens, ${number(Buffer.byteLength(text))} bytes, ${(Buffer.byteLength(text) / Math.max(1, ids.length)).toFixed(2)} bytes a token`,
    );
  }
  const facts = tokenFacts(encoder);
  const workdir = await workdirBeside(given);
  const uses =
    workdir && existsSync(join(workdir, "shards", "manifest.json"))
      ? countUses(join(workdir, "shards"), "train")
      : null;
  const rivals = publishedRivals(encoder);
  const rows = workdir ? compression(await sampleTexts(workdir), rivals) : [];
  const classes: Record<string, number> = {};
  for (const fact of facts) classes[fact.class] = (classes[fact.class] ?? 0) + 1;
  const result = {
    ...{
      size: vocabularySize(vocabulary),
      pattern: vocabulary.pattern,
      unicode: vocabulary.unicode,
      training,
      classes,
    },
    usage: uses ? usage(uses) : null,
    longest: longestTokens(facts, 20).map(shownToken),
    rare: uses ? rareTokens(facts, uses, 0).slice(0, 40).map(shownToken) : null,
    unreachable: facts
      .filter(fact => fact.class === "unreachable" || fact.class === "unreached")
      .slice(0, 40)
      .map(shownToken),
    compression: rows.map(row => ({
      ...row,
      tokens: Object.fromEntries(rivals.map(({ name }, i) => [name, row.tokens[i]])),
    })),
  };
  if (given.json) return json(result);
  const strong = (text: string) => styled(text, "bold");
  out(
    `${strong(`${number(result.size)} tokens`)}, pattern ${result.pattern}, Unicode ${result.unicode}: ${Object.entries(
      classes,
    )
      .map(([name, n]) => `${number(n)} ${name}`)
      .join(", ")}`,
  );
  if (result.usage)
    out(
      `${percent(result.usage.used)} of them used in ${number(result.usage.tokens)} training tokens; ${result.usage.entropy.toFixed(2)} bits a token, ${percent(result.usage.efficiency)} of what is possible`,
    );
  out(`\n${strong("longest")}\n${wrapped(result.longest.map(token => token.text))}`);
  if (result.rare)
    out(
      `\n${strong("never used")} (${number(rareTokens(facts, uses!, 0).length)})\n${wrapped(result.rare.map(token => token.text)) || "none"}`,
    );
  out(`\n${strong("unreachable")}\n${wrapped(result.unreachable.map(token => token.text)) || "none"}`);
  if (rows.length > 0) {
    const head = ["bytes a token", "documents", ...rivals.map(({ name }) => name)];
    const body = rows.map(row => [
      row.group,
      number(row.documents),
      ...row.tokens.map(tokens => (row.bytes / Math.max(1, tokens)).toFixed(2)),
    ]);
    out(`\n${table([head.map(strong), ...body], ["left", "right", ...rivals.map(() => "right" as const)])}`);
  }
}

async function workdirBeside(given: Given): Promise<string | null> {
  if (given.tokenizer === undefined) return (await import("./load.ts")).workdirOf(given.workdir);
  const parent = join(given.tokenizer, "..");
  return existsSync(join(parent, "run.json")) ? parent : null;
}

const shownToken = ({ id, bytes }: TokenFacts) => ({
  id,
  text: JSON.stringify(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)),
});

function wrapped(words: readonly string[]): string {
  const lines: string[] = [""];
  for (const word of words) {
    if (lines[lines.length - 1]!.length + word.length > 100) lines.push("");
    lines[lines.length - 1] += `${printable(word)}  `;
  }
  return lines.join("\n").trimEnd();
}

/** Ours, and the published encodings that are installed. */
function publishedRivals(own: Encoder): Rival[] {
  const rivals: Rival[] = [{ name: "this", encoder: own }];
  for (const name of ["gpt2", "cl100k_base", "o200k_base"]) {
    try {
      rivals.push({ name, encoder: createEncoder(loadTokenizer(name).vocabulary) });
    } catch {}
  }
  return rivals;
}

/** Up to 400 documents of the run, by language. */
async function sampleTexts(workdir: string): Promise<{ group: string; text: string }[]> {
  const dir = join(workdir, "documents");
  const samples: { group: string; text: string }[] = [];
  for (const name of existsSync(dir) ? readdirSync(dir).sort() : []) {
    for await (const { text, language } of readTable(join(dir, name), ["text", "language"])) {
      if (samples.length >= 400) return samples;
      samples.push({ group: String(language ?? "unknown"), text: String(text ?? "") });
    }
  }
  return samples;
}

function showReplay(encoder: Encoder, word: string, asJson: boolean): void {
  const pieces = replay(encoder, word);
  if (asJson)
    return json(pieces.map(piece => ({ ...piece, piece: Buffer.from(piece.piece).toString("utf8") })));
  const decoder = createDecoder(encoder.vocabulary);
  const text = (ids: readonly number[]) => ids.map(id => JSON.stringify(decoder.decode([id]))).join(" ");
  for (const { piece, bytes, steps, ids } of pieces) {
    out(styled(JSON.stringify(Buffer.from(piece).toString("utf8")), "bold"));
    out(`  ${" ".repeat(12)}${text(bytes)}`);
    for (const step of steps) out(`  ${`merge ${step.rank}`.padEnd(12)}${text(step.ids)}`);
    out(`  ${"ids".padEnd(12)}${ids.join(" ")}`);
  }
}
