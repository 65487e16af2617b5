/**
 * What text means to the filters, case by case: length in code points, Python's lines and whitespace, letters and
 * digits, words, sentences, repeated n-grams. Python's own behaviour was taken from CPython 3.11 and is written here as
 * expectations, so that no Python is needed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  codePoints,
  isDigit,
  isLetter,
  isPunctuation,
  isSymbol,
  isTerminal,
  isWhitespace,
} from "../../../pipeline/text/characters.ts";
import {
  countOf,
  splitLines,
  splitWhitespace,
  strip,
  stripEnd,
  stripStart,
} from "../../../pipeline/text/lines.ts";
import { duplicates, nGrams, ratio } from "../../../pipeline/text/n-grams.ts";
import { countSentences } from "../../../pipeline/text/sentences.ts";
import { splitWords } from "../../../pipeline/text/words.ts";

const seeded = { seed: 20_240_420, numRuns: 300 };
const text = fc.string({ unit: "grapheme", maxLength: 80 });
/** Texts of few symbols, so that repetitions and line ends occur. */
const dense = fc
  .array(fc.constantFrom("a", "b", "ab", " ", "\n", "\r", ".", "…", "😀", "\u2028", "\u00a0", "don't", "-"), {
    maxLength: 60,
  })
  .map(parts => parts.join(""));

test("length is counted in code points: thirty emoji are thirty", () => {
  assert.equal(codePoints("😀".repeat(30)), 30);
  assert.equal(codePoints("e\u0301"), 2);
  assert.equal(codePoints("\ud83d"), 1);
  assert.equal(codePoints(""), 0);
  fc.assert(
    fc.property(text, value => {
      assert.equal(codePoints(value), [...value].length);
    }),
    seeded,
  );
});

test("lines end at the eleven ends Python knows, and a trailing end adds no line", () => {
  for (const end of ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
    assert.deepEqual(splitLines(`a${end}b${end}`), ["a", "b"], JSON.stringify(end));
  for (const none of ["\x1f", "\t", "\u200b", "\ufeff", "\\n"])
    assert.deepEqual(splitLines(`a${none}b`), [`a${none}b`], JSON.stringify(none));
  assert.deepEqual(splitLines(""), []);
  assert.deepEqual(splitLines("\n"), [""]);
  assert.deepEqual(splitLines("a\n\nb"), ["a", "", "b"]);
  assert.deepEqual(splitLines("a\n\r\nb"), ["a", "", "b"]);
  assert.deepEqual("a\n".split("\n"), ["a", ""], "split by newline does add one");
});

test("whitespace is Python's: with the file separators and U+0085, without U+FEFF and U+200B", () => {
  const points = Array.from({ length: 0x3001 }, (_, point) => point).filter(isWhitespace);
  assert.deepEqual(points, [
    ...[9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xa0, 0x1680],
    ...Array.from({ length: 11 }, (_, i) => 0x2000 + i),
    ...[0x2028, 0x2029, 0x202f, 0x205f, 0x3000],
  ]);
  assert.equal(isWhitespace(0xfeff), false);
  assert.equal(strip("\x1c\x85 a\ufeff \u3000"), "a\ufeff");
  assert.equal(stripStart(" a "), "a ");
  assert.equal(stripEnd(" a "), " a");
  assert.equal(strip(" \t\n"), "");
  assert.deepEqual(splitWhitespace(" a\x1fb \u2003c "), ["a", "b", "c"]);
  assert.deepEqual(splitWhitespace(" "), []);
});

test("letters are category L, digits category Nd, symbols the 66 signs and the control characters", () => {
  const of = (characters: string, is: (point: number) => boolean) =>
    [...characters].map(character => is(character.codePointAt(0)!));
  assert.deepEqual(of("aÉßж字ª", isLetter), [true, true, true, true, true, true]);
  assert.deepEqual(of("½_1.²𝓐", isLetter), [false, false, false, false, false, true]);
  assert.deepEqual(of("1٣１½²", isDigit), [true, true, true, false, false]);
  assert.deepEqual(of("!—”：％１〈＃", isSymbol), [true, true, true, true, true, true, true, false]);
  assert.deepEqual(of("\0\t\n\r\x1b\x7f\x9f ", isSymbol), [
    true,
    false,
    false,
    true,
    true,
    true,
    true,
    false,
  ]);
  assert.equal(Array.from({ length: 0x10000 }, (_, p) => p).filter(p => p >= 0xa0 && isSymbol(p)).length, 34);
  assert.deepEqual(of(".!?।。…'", isTerminal), [true, true, true, true, true, false, false]);
  assert.deepEqual(of(".—「$+", isPunctuation), [true, true, true, false, false]);
});

test("words: punctuation stands alone, contractions are cut, abbreviations and addresses are not", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["Hello, world!", "Hello|,|world|!"],
    ["I don't know (really).", "I|do|n't|know|(|really|)|."],
    ["they're we’ll it's cannot", "they|'re|we|’ll|it|'s|can|not"],
    ["dont Im well its were", "do|nt|I|m|well|its|were"],
    ["state-of-the-art", "state|-|of|-|the|-|art"],
    ["Dr. Smith vs. the U.S. e.g. this.", "Dr.|Smith|vs.|the|U.S.|e.g.|this|."],
    ["$500,000 and 10km or 25%", "$|500,000|and|10|km|or|25|%"],
    ["see example.com/a?b=c.", "see|example.com/a?b=c|."],
    ["mail bob@example.com, please", "mail|bob@example.com|,|please"],
    ["end of a line.Next sentence", "end|of|a|line|.|Next|sentence"],
    ["wait... what…", "wait|...|what|…"],
    ["“quoted” and 'single'", "“|quoted|”|and|'|single|'"],
    ["rock'n'roll 1980's James's", "rock'n'roll|1980|'s|James|'s"],
    ["smile :-) and :(", "smile|:-)|and|:("],
    ["and/or ISO/IEC 24/7", "and/or|ISO|/|IEC|24/7"],
    ["one\u00a0two\u2003three", "one|two|three"],
    ["10am 5p.m.", "10|am|5|p.m."],
    ["", ""],
    [" \n ", ""],
    ["!!!", "!|!|!"],
  ];
  for (const [from, to] of cases) assert.equal(splitWords(from).join("|"), to, from);
});

test("words lose nothing but whitespace, and do not depend on what was split before", () => {
  fc.assert(
    fc.property(fc.oneof(text, dense), value => {
      const words = splitWords(value);
      assert.equal(words.join(""), splitWhitespace(value).join(""));
      assert.ok(words.every(word => word !== ""));
      splitWords("something else");
      assert.deepEqual(splitWords(value), words);
      const apart = splitWhitespace(value).flatMap(chunk => [...splitWords(chunk)]);
      assert.deepEqual(words, apart);
    }),
    seeded,
  );
});

test("sentences: abbreviations, decimals and closing quotes do not add one", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["", 0],
    ["No end", 1],
    ["One. Two! Three?", 3],
    ["Dr. Smith paid 3.50.", 1],
    ["He said “Go.” Then he went.", 2],
    ["Wait... what?", 1],
    ["Really?! Yes.", 2],
    ["यह है। वह है।", 2],
    ["...", 1],
    ["! ? .", 1],
  ];
  for (const [from, n] of cases) assert.equal(countSentences(from), n, from);
});

/** The definitions with strings, as the published code has them. */
function slowTop(words: readonly string[], n: number): number {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) {
    const gram = words.slice(i, i + n).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  let best: readonly [string, number] = ["", 0];
  for (const entry of counts) if (entry[1] > best[1]) best = entry;
  return codePoints(best[0]) * best[1];
}

function slowDuplicated(words: readonly string[], n: number): number {
  const seen = new Set<string>();
  let characters = 0;
  for (let i = 0; i + n <= words.length; ) {
    const gram = words.slice(i, i + n).join("");
    if (seen.has(gram)) {
      characters += codePoints(gram);
      i += n;
    } else {
      seen.add(gram);
      i++;
    }
  }
  return characters;
}

test("n-gram measures equal their definition on texts that repeat", () => {
  const words = fc.array(fc.constantFrom("a", "b", "ab", "ba", "😀", "c"), { maxLength: 60 });
  fc.assert(
    fc.property(words, list => {
      const grams = nGrams(list);
      for (const n of [1, 2, 3, 4]) assert.equal(grams.top(n), slowTop(list, n), `top ${n}`);
      for (const n of [1, 2, 5, 7])
        assert.equal(grams.duplicated(n), slowDuplicated(list, n), `duplicated ${n}`);
    }),
    seeded,
  );
});

test("n-grams: all different has a top of one, overlaps jump, and words are joined by nothing when duplicates are sought", () => {
  assert.equal(nGrams(["one", "two", "three"]).top(2), 7);
  assert.equal(nGrams(["one", "two", "three"]).top(4), 0);
  assert.equal(nGrams(Array<string>(6).fill("a")).duplicated(2), 4);
  assert.equal(nGrams(Array<string>(6).fill("a")).top(2), 15);
  assert.equal(nGrams(["ab", "c", "x", "a", "bc"]).duplicated(2), 3);
  assert.equal(nGrams(["ab", "c", "x", "a", "bc"]).top(2), 4);
  assert.equal(nGrams([]).duplicated(5), 0);
});

test("shares of nothing are 0, repeated parts count from their second occurrence", () => {
  assert.equal(ratio(0, 0), 0);
  assert.equal(ratio(3, 0), 0);
  assert.deepEqual(duplicates(["a", "😀😀", "a", "😀😀", "a"]), { count: 3, characters: 4 });
  assert.deepEqual(duplicates([]), { count: 0, characters: 0 });
  assert.equal(countOf("......", "..."), 2);
  assert.equal(countOf("", "#"), 0);
});
