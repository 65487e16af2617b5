/** Pretokenizers: the scanners cut text as the published regular expressions do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { random } from "../../lib/random.ts";
import { differences, newestUnicode, runs } from "../../tokenizer/classes.gen.ts";
import { classesOfThisNode, encodeDifferences, encodeRuns } from "../../tokenizer/generate-classes.ts";
import { cutFinder } from "../../tokenizer/pretokenizer/cut.ts";
import {
  type PatternName,
  patternNames,
  patternOfRegex,
  patterns,
  pieceEnds,
  type Scan,
  scanner,
} from "../../tokenizer/pretokenizer/patterns.ts";
import { classTable, flatClasses, unicodeVersions } from "../../tokenizer/unicode.ts";
import {
  c4Documents,
  dataText,
  fuzzedTexts,
  huggingFacePieces,
  javascriptPieces,
  novels,
  versionOf,
  withoutData,
} from "./oracles.ts";

const encoder = new TextEncoder();

function pieces(scan: Scan, text: string): string[] {
  const bytes = encoder.encode(text);
  let start = 0;
  return pieceEnds(scan, bytes).map(end => {
    const piece = Buffer.from(bytes.subarray(start, end)).toString("utf8");
    start = end;
    return piece;
  });
}

function assertSame(
  name: PatternName,
  scan: Scan,
  oracle: (text: string) => string[],
  texts: readonly string[],
) {
  for (const text of texts) {
    const ours = pieces(scan, text);
    const theirs = oracle(text);
    if (ours.length === theirs.length && ours.every((piece, i) => piece === theirs[i])) continue;
    const at = ours.findIndex((piece, i) => piece !== theirs[i]);
    const near = (list: string[]) => JSON.stringify(list.slice(Math.max(0, at - 2), at + 4));
    assert.fail(`${name}: ours ${near(ours)}, theirs ${near(theirs)}`);
  }
}

for (const name of patternNames) {
  test(`${name} cuts generated texts as this Node's regular expression does`, () => {
    const scan = scanner(name, newestUnicode);
    assertSame(name, scan, javascriptPieces(patterns[name].javascript), fuzzedTexts(7, 12000));
  });

  test(`${name} cuts generated texts as tokenizers ${versionOf("tokenizers")} does`, () => {
    assertSame(name, scanner(name), huggingFacePieces(patterns[name].regex), fuzzedTexts(11, 6000));
  });

  test(`${name} cuts novels, web pages, Japanese and markup as the regular expression does`, {
    skip: withoutData(),
  }, () => {
    const texts = [
      ...c4Documents(),
      ...novels(2_000_000).split(/(?<=\n\n)(?=\S)/),
      dataText("text/wagahaiwa_nekodearu.txt").slice(0, 200_000),
      dataText("text/wikitext-2/valid.txt").slice(0, 500_000),
      dataText("text/cs336_dedup_quality_fixtures/moby.html"),
    ];
    assertSame(name, scanner(name, newestUnicode), javascriptPieces(patterns[name].javascript), texts);
  });

  test(`${name}: pieces of any bytes are never empty and concatenate to the input`, () => {
    const scan = scanner(name);
    const source = random(3);
    for (let round = 0; round < 3000; round++) {
      const bytes = Uint8Array.from({ length: 1 + source.below(40) }, () =>
        source.uniform() < 0.5 ? source.below(256) : 32 + source.below(96),
      );
      const ends = pieceEnds(scan, bytes);
      assert.ok(ends.every((end, i) => end > (ends[i - 1] ?? 0)));
      assert.equal(ends.at(-1), bytes.length);
    }
  });

  test(`${name}: a text cut where the finder says has the pieces of its parts`, () => {
    const scan = scanner(name);
    const find = cutFinder();
    let cuts = 0;
    for (const text of fuzzedTexts(5, 4000)) {
      const bytes = encoder.encode(text);
      const end = bytes.length - (bytes.length % 7);
      const cut = find(bytes, 0, end);
      if (cut === 0) continue;
      cuts++;
      const whole = pieceEnds(scan, bytes);
      const left = pieceEnds(scan, bytes.subarray(0, cut));
      const right = pieceEnds(scan, bytes.subarray(cut)).map(stop => stop + cut);
      assert.deepEqual([...left, ...right], whole, JSON.stringify(text));
    }
    assert.ok(cuts > 2000);
  });
}

test("trailing white space with line feeds is one piece for cl100k and two for llama3", () => {
  assert.deepEqual(pieces(scanner("cl100k"), "a\n  "), ["a", "\n  "]);
  assert.deepEqual(pieces(scanner("llama3"), "a\n  "), ["a", "\n", "  "]);
});

test("white space is Unicode's: U+0085 is in, U+FEFF is not", () => {
  assert.deepEqual(pieces(scanner("gpt2"), "a \u00850"), ["a", " ", "\u0085", "0"]);
  assert.deepEqual(pieces(scanner("gpt2"), "a \ufeff0"), ["a", " \ufeff", "0"]);
});

test("the long s is a contraction where the pattern ignores case", () => {
  assert.deepEqual(pieces(scanner("cl100k"), "it'\u017fabc"), ["it", "'\u017f", "abc"]);
  assert.deepEqual(pieces(scanner("gpt2"), "it'\u017fabc"), ["it", "'", "\u017fabc"]);
});

test("an ill-formed byte is a symbol of its own width and never swallows its neighbour", () => {
  const scan = scanner("gpt2");
  for (const bytes of [
    [0xc3, 0x61],
    [0xe3, 0x81, 0x61],
    [0xf0, 0x9f, 0x98, 0x61],
    [0xed, 0xa0, 0x80, 0x61],
    [0xff, 0x61],
  ])
    assert.deepEqual(pieceEnds(scan, Uint8Array.from(bytes)), [bytes.length - 1, bytes.length]);
});

test("no run of one character is read more often for each byte when it is twice as long", () => {
  for (const name of patternNames) {
    const scan = scanner(name);
    for (const unit of ["a", " ", "\n", "=", "1", "é", "漢", "'", "A", "\u0301", " \n", "Aé", "! "]) {
      const bytes = new CountingBytes(encoder.encode(unit.repeat(2000)));
      const short = bytes.stepsOf(scan, 1000);
      const long = bytes.stepsOf(scan, bytes.length);
      assert.ok(
        long < (short * 2.5 * bytes.length) / 2000 + 2000,
        `${name} on ${JSON.stringify(unit)}: ${short}, ${long}`,
      );
    }
  }
});

/** Bytes that count how often they are looked at. */
class CountingBytes {
  readonly length: number;
  readonly #proxy: Uint8Array;
  #steps = 0;
  constructor(bytes: Uint8Array) {
    this.length = bytes.length;
    this.#proxy = new Proxy(bytes, {
      get: (target, key) => {
        this.#steps++;
        return Reflect.get(target, key, target);
      },
    });
  }
  stepsOf(scan: Scan, end: number): number {
    this.#steps = 0;
    for (let at = 0; at < end; ) at = scan(this.#proxy, at, end);
    return this.#steps;
  }
}

test("the class tables of the newest version are those of this Node", t => {
  if (process.versions["unicode"] + ".0" !== newestUnicode) {
    t.skip(`this Node has Unicode ${process.versions["unicode"]}, the tables ${newestUnicode}`);
    return;
  }
  assert.equal(encodeRuns(classesOfThisNode()), runs);
});

test("every version's table decodes to what was encoded, and the versions differ", () => {
  const newest = flatClasses(newestUnicode);
  for (const version of unicodeVersions) {
    const flat = flatClasses(version);
    const table = classTable(version);
    for (let point = 0; point < flat.length; point++)
      if (table.blocks[(table.index[point >> 8]! << 8) | (point & 255)] !== flat[point])
        assert.fail(`${version} ${point}`);
    if (version !== newestUnicode) assert.equal(encodeDifferences(flat, newest), differences[version]);
  }
  const sidetic = "\u{10940}\u{10941}";
  assert.deepEqual(pieces(scanner("gpt2", "17.0.0"), "a" + sidetic).length, 1);
  assert.deepEqual(pieces(scanner("gpt2", "16.0.0"), "a" + sidetic).length, 2);
  assert.throws(() => classTable("3.0.0"), RangeError);
});

test("regular expressions of published files are recognised by their exact text, others are not", () => {
  for (const name of patternNames) assert.equal(patternOfRegex(patterns[name].regex), name);
  assert.equal(
    patternOfRegex(
      "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s",
    ),
    "gpt2",
  );
  assert.equal(patternOfRegex("\\p{L}+"), null);
});

test("a text of any characters is cut into pieces that concatenate to it", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.constantFrom(...patternNames),
      (text, name) => {
        assert.equal(pieces(scanner(name), text).join(""), text);
      },
    ),
    { seed: 2, numRuns: 1500 },
  );
});
