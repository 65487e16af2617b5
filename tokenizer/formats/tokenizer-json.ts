/**
 * Hugging Face's tokenizer.json, for byte-level BPE with a pattern we know. What the file asks for and we do not do
 * is refused by name; nothing is quietly left out. Text to vocabulary and back, no files.
 * The library refuses a file with unknown keys (0.23: "expected `,` or `}`"), so what the format has no place for,
 * the Unicode version above all, stands in training.json beside it.
 */
import { shown, UserError } from "../../lib/errors.ts";
import { type PatternName, patternOfRegex, patterns } from "../pretokenizer/patterns.ts";
import { defaultUnicode } from "../unicode.ts";
import { greatestId, guessEndOfText, type Vocabulary } from "../vocabulary.ts";
import { charactersOfBytes } from "./byte-characters.ts";
import { readStrings, splitMerge } from "./vocabulary-strings.ts";

type Json = Readonly<Record<string, unknown>>;

const supported =
  "byte-level BPE with one of the patterns of GPT-2, GPT-4, GPT-4o, Llama 3, nanochat or Qwen 2";

/** Reads the text of a tokenizer.json; `path` is for messages. */
export function readTokenizerJson(json: string, path: string): Vocabulary {
  const refuse = (what: string) =>
    new UserError(`${path}: ${what} is not supported`, `supported is ${supported}`);
  let root: Json;
  try {
    root = JSON.parse(json) as Json;
  } catch (error) {
    throw new UserError(`${path} is not JSON: ${(error as Error).message}`);
  }
  const model = root?.["model"] as Json | undefined;
  if (!isObject(model) || !isObject(model["vocab"]))
    throw new UserError(`${path}: expected a tokenizer.json with a model and its vocab`);
  if (model["type"] !== undefined && model["type"] !== "BPE")
    throw refuse(`a model of type ${shown(model["type"])}`);
  for (const key of [
    "dropout",
    "unk_token",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "byte_fallback",
  ])
    if (model[key]) throw refuse(`the model's ${key} ${shown(model[key])}`);
  if (root["normalizer"]) throw refuse(`the normalizer ${typeOf(root["normalizer"])}`);
  const pattern = patternOf(root["pre_tokenizer"], refuse);
  const specials = readAddedTokens(root["added_tokens"], path);
  const { tokens, merges } = readStrings(
    path,
    model["vocab"] as Json,
    readMerges(model["merges"], path),
    text => specials.has(text),
  );
  return {
    pattern,
    unicode: defaultUnicode,
    tokens,
    merges,
    specials,
    endOfText: guessEndOfText(specials),
    wholePieces: model["ignore_merges"] === true,
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function typeOf(part: unknown): string {
  return isObject(part) ? String(part["type"]) : shown(part);
}

function patternOf(part: unknown, refuse: (what: string) => UserError): PatternName {
  if (!isObject(part)) throw refuse("a file without a pre_tokenizer");
  const steps = part["type"] === "Sequence" ? part["pretokenizers"] : [part];
  if (!Array.isArray(steps)) throw refuse(`the pre_tokenizer ${shown(part)}`);
  let pattern: PatternName | null = null;
  let byteLevel = false;
  for (const step of steps as Json[]) {
    if (!isObject(step)) throw refuse(`the pre_tokenizer ${shown(step)}`);
    if (byteLevel) throw refuse(`the pre_tokenizer ${typeOf(step)} after ByteLevel`);
    if (step["type"] === "Split" && !pattern) {
      const regex = (step["pattern"] as Json | undefined)?.["Regex"];
      pattern = typeof regex === "string" ? patternOfRegex(regex) : null;
      if (!pattern) throw refuse(`the pattern ${shown(regex ?? step["pattern"])}`);
      if (step["behavior"] !== "Isolated" || step["invert"] === true)
        throw refuse(`a Split that is ${step["invert"] ? "inverted" : shown(step["behavior"])}`);
    } else if (step["type"] === "ByteLevel") {
      if (step["add_prefix_space"] !== false) throw refuse("ByteLevel with add_prefix_space");
      if (step["use_regex"] !== false && pattern) throw refuse("ByteLevel with use_regex after a Split");
      if (step["use_regex"] !== false) pattern = "gpt2";
      byteLevel = true;
    } else throw refuse(`the pre_tokenizer ${typeOf(step)}`);
  }
  if (!byteLevel) throw refuse("a pre_tokenizer without ByteLevel");
  if (!pattern) throw refuse("a ByteLevel pre_tokenizer without a pattern");
  return pattern;
}

function readAddedTokens(added: unknown, path: string): Map<string, number> {
  const specials = new Map<string, number>();
  for (const token of Array.isArray(added) ? (added as Json[]) : []) {
    const { content, id } = isObject(token) ? token : {};
    if (
      typeof content !== "string" ||
      content === "" ||
      !Number.isSafeInteger(id) ||
      !((id as number) >= 0 && (id as number) <= greatestId)
    )
      throw new UserError(
        `${path}: expected added_tokens with content and an id from 0 to ${greatestId}, got ${shown(token)}`,
      );
    for (const key of ["single_word", "lstrip", "rstrip"])
      if (token[key])
        throw new UserError(`${path}: the added token ${shown(content)} has ${key}, which is not supported`);
    specials.set(content, id as number);
  }
  return specials;
}

function readMerges(merges: unknown, path: string): [string, string][] {
  if (!Array.isArray(merges)) throw new UserError(`${path}: expected the model's merges as a list`);
  return merges.map((merge, i) => {
    const pair = typeof merge === "string" ? splitMerge(merge) : merge;
    const right = Array.isArray(pair) && pair.length === 2 && pair.every(part => typeof part === "string");
    if (!right)
      throw new UserError(`${path}: merge ${i + 1} is ${shown(merge)}, where a pair of tokens belongs`);
    return pair as [string, string];
  });
}

/** A tokenizer.json that Hugging Face's library loads with the same ids. */
export function writeTokenizerJson(vocabulary: Vocabulary): string {
  const { tokens, merges, specials, pattern, wholePieces } = vocabulary;
  const text = new Map([...tokens].map(([id, bytes]) => [id, charactersOfBytes(bytes)]));
  const entries: [string, number][] = [...text].map(([id, characters]) => [characters, id]);
  entries.push(...specials);
  const pairs: [string, string][] = [];
  for (let i = 0; i < merges.length; i += 3) pairs.push([text.get(merges[i]!)!, text.get(merges[i + 1]!)!]);
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const split = {
    type: "Split",
    pattern: { Regex: patterns[pattern].regex },
    behavior: "Isolated",
    invert: false,
  };
  const added = [...specials].sort(([, a], [, b]) => a - b);
  const head = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.map(([content, id]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [split, byteLevel] },
    post_processor: null,
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: wholePieces,
    },
  };
  const vocab = entries
    .sort(([, a], [, b]) => a - b)
    .map(([characters, id]) => `      ${JSON.stringify(characters)}: ${id}`)
    .join(",\n");
  const list = pairs.map(pair => `      ${JSON.stringify(pair)}`).join(",\n");
  const opened = JSON.stringify(head, null, 2).replace(/\n {2}\}\n\}$/, "");
  return `${opened},\n    "vocab": {\n${vocab}\n    },\n    "merges": [\n${list}\n    ]\n  }\n}\n`;
}
