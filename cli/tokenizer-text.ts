/**
 * `curate tokenizer encode` and `decode`: text to ids and ids to bytes, as filters. Texts of any length pass in
 * memory that does not grow with them; JSON lines are encoded on several threads where there are many.
 */
import { createReadStream, existsSync } from "node:fs";
import type { Readable } from "node:stream";
import { shown, UserError } from "../lib/errors.ts";
import type { Encoder } from "../tokenizer/encoder.ts";
import { vocabularySize } from "../tokenizer/vocabulary.ts";
import { tokenizerOf } from "./named-tokenizer.ts";

type Given = {
  readonly tokenizer?: string | undefined;
  readonly workdir?: string | undefined;
  readonly pattern?: string | undefined;
  readonly unicode?: string | undefined;
  readonly file?: string | undefined;
  readonly workers?: number | undefined;
  readonly jsonl: boolean;
  readonly specials: boolean;
  readonly offsets: boolean;
  readonly json: boolean;
};

function input(file: string | undefined): Readable {
  if (file === undefined || file === "-") return process.stdin;
  if (!existsSync(file)) throw new UserError(`there is no file ${file}`);
  return createReadStream(file, { highWaterMark: 1 << 20 });
}

/** Writes without running ahead of the reader. */
async function write(text: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(text)) await new Promise(done => process.stdout.once("drain", done));
}

export async function encode(given: Given): Promise<void> {
  const { createEncoder } = await import("../tokenizer/encoder.ts");
  const { vocabulary } = await tokenizerOf(given);
  const encoder = createEncoder(vocabulary);
  if (given.jsonl) return encodeRows(given, encoder);
  if (given.specials || given.offsets || given.json) {
    const chunks: Buffer[] = [];
    for await (const chunk of input(given.file)) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString("utf8");
    return write(`${line(given, encoder, (await encoding(given, encoder))(text))}\n`);
  }
  const stream = encoder.stream();
  let first = true;
  const emit = async (ids: ArrayLike<number>) => {
    if (ids.length === 0) return;
    await write(`${first ? "" : " "}${Array.prototype.join.call(ids, " ")}`);
    first = false;
  };
  for await (const chunk of input(given.file)) await emit(stream.push(chunk as Uint8Array));
  await emit(stream.end());
  await write("\n");
}

async function encoding(given: Given, encoder: Encoder): Promise<(text: string) => ArrayLike<number>> {
  if (!given.specials) return encoder.encode;
  const { encodeWithSpecials } = await import("../tokenizer/specials.ts");
  return text => encodeWithSpecials(encoder, text, "all");
}

function line(given: Given, encoder: Encoder, ids: ArrayLike<number>): string {
  if (!given.offsets)
    return given.json ? JSON.stringify(Array.from(ids)) : Array.prototype.join.call(ids, " ");
  const offsets = encoder.offsets(ids);
  return given.json
    ? JSON.stringify({ ids: Array.from(ids), offsets: [...offsets] })
    : Array.from(ids, (id, i) => `${id}@${offsets[i]}`).join(" ");
}

/** Characters of rows that are encoded at once; fewer in all are not worth a thread. */
const batchLength = 1 << 21;

async function encodeRows(given: Given, encoder: Encoder): Promise<void> {
  const encodeText = await encoding(given, encoder);
  const writeRows = (all: readonly ArrayLike<number>[]) =>
    write(all.map(ids => `${line(given, encoder, ids)}\n`).join(""));
  const batches = rowBatches(input(given.file));
  const first = await batches.next();
  if (first.done) return;
  if (given.specials || given.workers === 1 || first.value.last) {
    await writeRows(first.value.texts.map(encodeText));
    for await (const { texts } of batches) await writeRows(texts.map(encodeText));
    return;
  }
  const { createEncoderPool } = await import("../tokenizer/encode-batch.ts");
  const pool = createEncoderPool(
    encoder.vocabulary,
    given.workers === undefined ? {} : { workers: given.workers },
  );
  try {
    let before = pool.encodeBatch(first.value.texts);
    for await (const { texts } of batches) {
      const next = pool.encodeBatch(texts);
      await writeRows(await before);
      before = next;
    }
    await writeRows(await before);
  } finally {
    await pool.close();
  }
}

async function* rowBatches(
  from: Readable,
): AsyncGenerator<{ readonly texts: string[]; readonly last: boolean }, void, void> {
  let texts: string[] = [];
  let length = 0;
  let number = 0;
  for await (const row of rows(from)) {
    number++;
    if (row.trim() === "") continue;
    if (length >= batchLength) {
      yield { texts, last: false };
      [texts, length] = [[], 0];
    }
    const text = textOf(row, number);
    texts.push(text);
    length += text.length;
  }
  if (texts.length > 0) yield { texts, last: true };
}

/** Lines end with a line feed and nothing else: JSON may hold U+2028 as it is, which other readers of lines cut at. */
async function* rows(from: Readable): AsyncGenerator<string> {
  let held: Buffer[] = [];
  for await (const chunk of from as AsyncIterable<Buffer>) {
    let at = 0;
    for (let feed = chunk.indexOf(10); feed >= 0; feed = chunk.indexOf(10, at)) {
      yield Buffer.concat([...held, chunk.subarray(at, feed)]).toString("utf8");
      held = [];
      at = feed + 1;
    }
    held.push(chunk.subarray(at));
  }
  const rest = Buffer.concat(held).toString("utf8");
  if (rest !== "") yield rest;
}

function textOf(row: string, number: number): string {
  let value: unknown;
  try {
    value = JSON.parse(row);
  } catch (error) {
    throw new UserError(`line ${number}: not JSON: ${(error as Error).message}`);
  }
  const text = typeof value === "object" && value !== null ? (value as { text?: unknown }).text : undefined;
  if (typeof text !== "string")
    throw new UserError(`line ${number}: expected an object with a text, got ${shown(value)}`);
  return text;
}

export async function decode(given: Given): Promise<void> {
  const { createDecoder } = await import("../tokenizer/decoder.ts");
  const { vocabulary } = await tokenizerOf(given);
  const decoder = createDecoder(vocabulary);
  let rest = "";
  const emit = async (words: readonly string[]) => {
    const ids = words.map(word => {
      const id = Number(word);
      if (!/^\d+$/.test(word))
        throw new UserError(`expected token ids separated by white space, got ${shown(word)}`);
      if (!decoder.bytesOf(id))
        throw new UserError(`token id ${id} is not in the vocabulary of ${vocabularySize(vocabulary)}`);
      return id;
    });
    if (ids.length > 0) await write(decoder.decodeBytes(ids));
  };
  for await (const chunk of input(given.file)) {
    const words = (rest + String(chunk)).split(/\s+/);
    rest = words.pop()!;
    await emit(words.filter(Boolean));
  }
  await emit(rest === "" ? [] : [rest]);
}
