/**
 * GPT-2's pair of files: vocab.json (byte-level strings to ids) and merges.txt (a version line, then a pair a line).
 * Text to vocabulary and back, no files.
 */
import { UserError } from "../../lib/errors.ts";
import type { PatternName } from "../pretokenizer/patterns.ts";
import { defaultUnicode } from "../unicode.ts";
import { guessEndOfText, type Vocabulary } from "../vocabulary.ts";
import { bytesOfCharacters, charactersOfBytes } from "./byte-characters.ts";
import { readStrings, splitMerge } from "./vocabulary-strings.ts";

/** Entries that no merge makes and that are longer than a byte are special tokens, such as `<|endoftext|>`. */
export function readMergesTxt(
  vocabJson: string,
  mergesTxt: string,
  { path, pattern }: { readonly path: string; readonly pattern: PatternName },
): Vocabulary {
  let vocab: Record<string, number>;
  try {
    vocab = JSON.parse(vocabJson) as Record<string, number>;
  } catch (error) {
    throw new UserError(`${path} is not JSON: ${(error as Error).message}`);
  }
  const merges = readLines(mergesTxt, path);
  const made = new Set(merges.map(([left, right]) => left + right));
  const isSpecial = (text: string) => !made.has(text) && bytesOfCharacters(text)?.length !== 1;
  const specials = new Map(Object.entries(vocab).filter(([text]) => isSpecial(text)));
  return {
    pattern,
    unicode: defaultUnicode,
    ...readStrings(path, vocab, merges, isSpecial),
    specials,
    endOfText: guessEndOfText(specials),
    wholePieces: false,
  };
}

function readLines(text: string, path: string): [string, string][] {
  const lines = text.split("\n");
  const skipped = lines[0]?.startsWith("#version") ? 1 : 0;
  const merges: [string, string][] = [];
  lines.slice(skipped).forEach((raw, i) => {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line === "") return;
    const pair = splitMerge(line);
    if (!pair)
      throw new UserError(
        `${path}: line ${i + 1 + skipped} of the merges is ${JSON.stringify(line)}, expected two tokens`,
      );
    merges.push(pair);
  });
  return merges;
}

export function writeMergesTxt(vocabulary: Vocabulary): {
  readonly vocabJson: string;
  readonly mergesTxt: string;
} {
  const { tokens, merges, specials } = vocabulary;
  const text = new Map([...tokens].map(([id, bytes]) => [id, charactersOfBytes(bytes)]));
  const entries: [string, number][] = [...text].map(([id, characters]) => [characters, id]);
  entries.push(...specials);
  entries.sort(([, a], [, b]) => a - b);
  let mergesTxt = "#version: 0.2\n";
  for (let i = 0; i < merges.length; i += 3)
    mergesTxt += `${text.get(merges[i]!)} ${text.get(merges[i + 1]!)}\n`;
  const vocabJson = `{${entries.map(([characters, id]) => `${JSON.stringify(characters)}: ${id}`).join(", ")}}\n`;
  return { vocabJson, mergesTxt };
}
