/**
 * Reads token shards for training: a folder and a split in, token streams out. Knows neither tokenizer nor model.
 * Opening a set reads only the files' footers. A record batch is read when it is asked for, straight into the
 * array that is handed out (one copy, from disk), and a file with several record batches stands as several shards.
 */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { basename, join } from "node:path";
import { Footer } from "apache-arrow/ipc/metadata/file";
import { Message, type RecordBatch } from "apache-arrow/ipc/metadata/message";
import { UserError } from "../../lib/errors.ts";
import { type TokenArray, tokenArrayType } from "../token-array.ts";
import { checkFooter, checkMessage } from "./flatbuffer.ts";
import { headerOf, type ShardHeader, type Split } from "./format.ts";
import { readManifest } from "./manifest.ts";

export type Shard = {
  /** Every row's ids one after the other, each row closed by the end-of-text id. */
  readonly tokens: TokenArray;
  /** documents + 1 positions in `tokens`: row r is [starts[r], starts[r + 1]). */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** The document id of a row. */
  ids(row: number): string;
};

export type ShardSet = {
  /** The file of each shard, in order; a file of several record batches stands here once for each. */
  readonly files: readonly string[];
  readonly documents: number;
  /** All tokens, end-of-text ids included. */
  readonly tokens: number;
  /** Tokens of each shard, without reading it. */
  readonly shardTokens: readonly number[];
  readonly eot: number;
  readonly vocabularySize: number;
  readonly tokenizerHash: string;
  /** Reads shard `i` of `files`; the last few read are kept, up to `memory` bytes. */
  shard(i: number): Shard;
};

type Place = {
  readonly path: string;
  readonly documents: number;
  readonly tokens: number;
  /** Positions in the file: list offsets, values, id offsets, id bytes. */
  readonly at: readonly [number, number, number, number];
  readonly idBytes: number;
  readonly vocabularySize: number;
};

/**
 * Opens the shards of one split. UserError where there are none, where one is damaged or unfinished, or where two
 * disagree about their tokenizer.
 */
export function openShards(dir: string, split: Split, options: { readonly memory?: number } = {}): ShardSet {
  const paths = shardPaths(dir, split);
  const places: Place[] = [];
  let header: ShardHeader | null = null;
  for (const path of paths) {
    const opened = openShard(path);
    if (opened.header.split !== split)
      throw new UserError(
        `${path}: expected the split ${split}, got ${opened.header.split}`,
        "a shard was renamed; run the shards stage again",
      );
    if (header && !sameTokenizer(header, opened.header))
      throw new UserError(
        `${path}: its tokenizer ${describe(opened.header)} is not that of ${basename(paths[0]!)}, ${describe(header)}`,
        "shards of two runs lie in one folder; delete the folder and run the shards stage again",
      );
    header ??= opened.header;
    places.push(...opened.places);
  }
  const { eot, vocabularySize, tokenizerHash } = header!;
  const Ids = tokenArrayType(vocabularySize);
  const kept = new Map<number, Shard>();
  const memory = options.memory ?? 2 ** 30;
  let keptBytes = 0;
  const bytesOf = (place: Place) => place.tokens * Ids.BYTES_PER_ELEMENT + 4 * place.documents;
  return {
    files: places.map(place => place.path),
    documents: places.reduce((sum, place) => sum + place.documents, 0),
    tokens: places.reduce((sum, place) => sum + place.tokens, 0),
    shardTokens: places.map(place => place.tokens),
    eot,
    vocabularySize,
    tokenizerHash,
    shard(i) {
      const place = places[i];
      if (!place) throw new RangeError(`shard ${i} of ${places.length}`);
      const shard = kept.get(i) ?? readShard(place, Ids);
      if (!kept.delete(i)) keptBytes += bytesOf(place);
      kept.set(i, shard);
      for (const other of kept.keys()) {
        if (keptBytes <= memory || other === i) break;
        kept.delete(other);
        keptBytes -= bytesOf(places[other]!);
      }
      return shard;
    },
  };
}

function sameTokenizer(a: ShardHeader, b: ShardHeader): boolean {
  return a.tokenizerHash === b.tokenizerHash && a.eot === b.eot && a.vocabularySize === b.vocabularySize;
}

function describe(header: ShardHeader): string {
  return `${header.tokenizerHash.slice(0, 12)} (${header.vocabularySize} tokens, end-of-text ${header.eot})`;
}

function shardPaths(dir: string, split: Split): string[] {
  const again = "run the recipe up to its shards stage first: curate run --until shards";
  if (!existsSync(dir))
    throw new UserError(`expected a folder of token shards at ${dir}, which does not exist`, again);
  const manifest = readManifest(dir);
  const found = manifest
    ? manifest.files.filter(file => file.split === split).map(file => file.path)
    : readdirSync(dir)
        .filter(name => name.startsWith(`${split}-`) && name.endsWith(".arrow"))
        .sort();
  if (found.length === 0) throw new UserError(`expected files ${split}-*.arrow in ${dir}, found none`, again);
  return found.map(name => join(dir, name));
}

/** The header and the record batches of one file, from its last bytes. */
function openShard(path: string): { header: ShardHeader; places: Place[] } {
  const damaged = (why: string) =>
    new UserError(`${path} is not a whole token shard: ${why}`, "delete it and run the shards stage again");
  if (!existsSync(path))
    throw new UserError(
      `expected the token shard ${path}, which does not exist`,
      "run the shards stage again",
    );
  const fd = openSync(path, "r");
  try {
    const size = fstatSync(fd).size;
    const tail = readAt(fd, Math.max(0, size - 10), Math.min(10, size));
    if (size < 24 || tail.subarray(4).toString("latin1") !== "ARROW1")
      throw damaged(`its ${size} bytes do not end with ARROW1`);
    const footerLength = tail.readInt32LE(0);
    if (footerLength <= 0 || footerLength > size - 18)
      throw damaged(`footer of ${footerLength} bytes in ${size}`);
    const footer = decoded(() => {
      const bytes = readAt(fd, size - 10 - footerLength, footerLength);
      checkFooter(bytes);
      return Footer.decode(bytes);
    });
    if (!footer) throw damaged("its footer cannot be read");
    const header = headerOf(footer.schema);
    if (typeof header === "string") throw damaged(header);
    const places: Place[] = [];
    const blocks = decoded(() => [...footer.recordBatches()]);
    if (!blocks) throw damaged("its footer names no place for its record batches");
    for (const block of blocks) {
      if (block.offset + block.metaDataLength + block.bodyLength > size)
        throw damaged(`a record batch ends after the file's ${size} bytes`);
      const message = decoded(() => {
        const bytes = readAt(fd, block.offset + 8, block.metaDataLength - 8);
        checkMessage(bytes);
        const part = Message.decode(bytes);
        return part.isRecordBatch() ? part.header() : null;
      });
      const place = message && placeOf(path, message, block.offset + block.metaDataLength, header, size);
      if (!place) throw damaged("a record batch is compressed, or not of the columns input_ids and id");
      places.push(place);
    }
    if (places.length === 0) throw damaged("it has no record batch");
    return { header, places };
  } finally {
    closeSync(fd);
  }
}

function decoded<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function placeOf(
  path: string,
  batch: RecordBatch,
  body: number,
  { vocabularySize }: ShardHeader,
  size: number,
): Place | null {
  const { nodes, buffers, compression } = batch;
  if (compression || nodes.length !== 3 || buffers.length !== 7) return null;
  const documents = nodes[0]!.length;
  const tokens = nodes[1]!.length;
  const [, listOffsets, , values, , idOffsets, idBytes] = buffers;
  const tokenBytes = tokens * tokenArrayType(vocabularySize).BYTES_PER_ELEMENT;
  // Lengths come from the file: what they claim has to be in it before room is made for it.
  const inside = buffers.every(
    ({ offset, length }) => offset >= 0 && length >= 0 && body + offset + length <= size,
  );
  if (!inside || !(documents >= 0 && tokens >= 0)) return null;
  if (documents > 0 && Math.min(listOffsets!.length, idOffsets!.length) < 4 * (documents + 1)) return null;
  if (values!.length < tokenBytes || nodes[2]!.length !== documents) return null;
  const at = [listOffsets!, values!, idOffsets!, idBytes!].map(buffer => body + buffer.offset);
  const places = at as [number, number, number, number];
  return { path, documents, tokens, at: places, idBytes: idBytes!.length, vocabularySize };
}

function readShard(place: Place, Ids: Uint16ArrayConstructor | Uint32ArrayConstructor): Shard {
  const { path, documents, at } = place;
  const damaged = (why: string) =>
    new UserError(`${path} is damaged: ${why}`, "delete it and run the shards stage again");
  const fd = openSync(path, "r");
  try {
    const starts = new Uint32Array(documents + 1);
    const tokens = new Ids(place.tokens);
    if (documents > 0) readInto(fd, at[0], starts, damaged);
    readInto(fd, at[1], tokens, damaged);
    for (let row = 0; row < documents; row++)
      if (starts[row + 1]! <= starts[row]!) throw damaged(`row ${row} is empty`);
    if (starts[0] !== 0 || starts[documents] !== place.tokens)
      throw damaged("its rows do not cover its tokens");
    const { vocabularySize } = place;
    if (vocabularySize <= 2 ** (8 * Ids.BYTES_PER_ELEMENT) - 1)
      for (let i = 0; i < tokens.length; i++)
        if (tokens[i]! >= vocabularySize)
          throw damaged(`id ${tokens[i]} lies outside its vocabulary of ${vocabularySize}`);
    let idColumn: { starts: Int32Array; bytes: Buffer } | null = null;
    const ids = (row: number) => {
      if (!(row >= 0 && row < documents)) throw new RangeError(`row ${row} of ${documents}`);
      idColumn ??= readIds(place, damaged);
      return idColumn.bytes.toString("utf8", idColumn.starts[row], idColumn.starts[row + 1]);
    };
    return { tokens, starts, ids };
  } finally {
    closeSync(fd);
  }
}

function readIds(place: Place, damaged: (why: string) => UserError): { starts: Int32Array; bytes: Buffer } {
  const fd = openSync(place.path, "r");
  try {
    const starts = new Int32Array(place.documents + 1);
    readInto(fd, place.at[2], starts, damaged);
    const bytes = Buffer.alloc(place.idBytes);
    readInto(fd, place.at[3], bytes, damaged);
    return { starts, bytes };
  } finally {
    closeSync(fd);
  }
}

function readInto(
  fd: number,
  position: number,
  into: NodeJS.ArrayBufferView,
  damaged: (why: string) => UserError,
) {
  const bytes = Buffer.from(into.buffer as ArrayBuffer, into.byteOffset, into.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const n = readSync(fd, bytes, at, Math.min(bytes.length - at, 1 << 28), position + at);
    if (n === 0) throw damaged(`it ends ${bytes.length - at} bytes early`);
    at += n;
  }
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const n = readSync(fd, bytes, 0, length, position);
  return bytes.subarray(0, n);
}
