/**
 * Signatures bit for bit: golden vectors of datatrove's definition, the definition written out with BigInt and
 * node:crypto, and 202 documents of the oracle. XXH64 against the values in its specification's repository.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { hasRelaxedSimd } from "../../../lib/relaxed-simd.ts";
import { createKernel, entryBytes, familyTable, minimumOffset } from "../../../pipeline/dedup/kernel.ts";
import {
  type Normalisation,
  normalisations,
  normaliseText,
  normaliseTokens,
  tokenisations,
} from "../../../pipeline/dedup/normalise.ts";
import { mersenne61, mersenneTwister, permutations } from "../../../pipeline/dedup/permutations.ts";
import { createSigner, type SignatureOptions } from "../../../pipeline/dedup/signature.ts";
import { sharedLines, sharedPath } from "../shared-data.ts";

const released: SignatureOptions = {
  ngram: 5,
  buckets: 14,
  rows: 8,
  seed: 1,
  hash: "sha1",
  normalisation: "fineweb@2024-04",
  tokens: "whitespace",
};
const sha256 = (values: readonly bigint[] | BigUint64Array) =>
  createHash("sha256")
    .update(new Uint8Array(BigUint64Array.from(values).buffer))
    .digest("hex");

/** The definition, with whole numbers of any size. */
function slowSignature(tokens: readonly string[], options: SignatureOptions): bigint[] {
  const { a, b } = permutations(options.buckets * options.rows, options.seed);
  const hashes: bigint[] = [];
  for (let i = 0; i + options.ngram <= tokens.length; i++) {
    const shingle = tokens.slice(i, i + options.ngram).join(" ");
    hashes.push(createHash("sha1").update(shingle, "utf8").digest().readBigUInt64LE(0));
  }
  if (hashes.length === 0) return [];
  return a.map(
    (ai, i) =>
      hashes.map(s => BigInt.asUintN(64, s * ai + b[i]!) % mersenne61).sort((x, y) => (x < y ? -1 : 1))[0]!,
  );
}

test("the twister is MT19937: the known 10,000th draw of seed 5489", () => {
  const next = mersenneTwister(5489);
  let drawn = 0;
  for (let i = 0; i < 10_000; i++) drawn = next();
  assert.equal(drawn, 4123659995);
});

test("the hash family is datatrove's", t => {
  const { a, b } = permutations(112, 1);
  assert.deepEqual(a.slice(0, 3), [775169054918279404n, 1758426461858698313n, 2109959069025162n]);
  assert.deepEqual(b.slice(0, 3), [1062448801025099917n, 1324811268927594100n, 1217488311597731462n]);
  assert.equal(a[111], 223865076026037746n);
  assert.equal(b[111], 1097409548522419201n);
  assert.equal(sha256([...a, ...b]), "3b8ce0e5ff06d6950b72f62ef5ff619cfa984cd0c52ce62b94ae10ded4e80c8d");
  const path = sharedPath(t, "oracle/minhash-params.json");
  if (!path) return;
  const given = JSON.parse(readFileSync(path, "utf8")) as { a: string[]; b: string[] };
  assert.deepEqual(a.map(String), given.a);
  assert.deepEqual(b.map(String), given.b);
});

test("the golden signature, with the wrap at 2^64 before the prime", () => {
  const text = "the quick brown fox jumps over the lazy dog near the river bank";
  for (const normalisation of normalisations) {
    const signer = createSigner({ ...released, normalisation });
    assert.equal(signer.sign(text), 9);
    const signature = signer.signature();
    assert.deepEqual(
      [...signature.slice(0, 8)],
      [
        197166454002902972n,
        284080765670708113n,
        96549057967596277n,
        226360113463360020n,
        42312182183823545n,
        169000609679892039n,
        73066559689472396n,
        121981082476695592n,
      ],
    );
    assert.deepEqual(
      [...signature.slice(104)],
      [
        164139703210280404n,
        29074511532028102n,
        126148420424728747n,
        414462609176291742n,
        126121000087970439n,
        404162727557050195n,
        306993506350509109n,
        459059667290475394n,
      ],
    );
    assert.equal(sha256(signature), "2dcdd2b15b8ce4071496aeb5de24add8052a248db46fd294f6f4b49381adaed5");
    assert.notEqual(signature[0], 226645945355867589n, "that would be without the wrap");
    assert.equal(signer.tokens(), text);
  }
});

test("normalisation of the table of cases, as released and in datatrove 0.10", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["It's 3.14 today", "its 0 today", "it s 0 today"],
    ["state-of-the-art", "stateoftheart", "state of the art"],
    ["Café\u00a0NAÏVE", "cafe naive", "cafe naive"],
    ["1,234,567.89", "0", "0 0"],
    ["a - b", "a  b", "a b"],
    ["e\u0301tude", "etude", "etude"],
    ["Don’t stop—ever", "dont stopever", "don t stop ever"],
    ["x²+½", "x²½", "x² ½"],
    ["İstanbul", "istanbul", "istanbul"],
    ["ﬁne", "ﬁne", "ﬁne"],
    ["", "", ""],
    [" \n\t ", "", ""],
    ["１2", "0", "0"],
    ["ΟΔΟΣ", "οδος", "οδος"],
  ];
  for (const [from, old, current] of cases) {
    assert.equal(normaliseText(from, "fineweb@2024-04"), old, from);
    assert.equal(normaliseText(from, "fineweb@0.10"), current, from);
  }
});

const tricky = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ..."aZé.,;'12 3\n\t—’…½²１٣،٫،",
        ..."Σσςİıﬁ字한국어ไทยひカ😀𝟎𐐀𐐨\u0301\u0345\u200b\ufeff\u0085\u001c\uffff\u302e",
        "\u1b44",
        "e\u0301",
        "३",
        ...["Weather", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnop", "the end of it ", "[@`{zZaA|}"],
      ),
      fc.string({ unit: "grapheme", maxLength: 3 }),
    ),
    { maxLength: 40 },
  )
  .map(parts => parts.join("").toWellFormed());

test("the kernel's tokens equal the definition's in every mode, on text made of the awkward characters", () => {
  for (const normalisation of normalisations) {
    for (const tokens of tokenisations) {
      const signer = createSigner({ ...released, normalisation, tokens });
      fc.assert(
        fc.property(tricky, text => {
          signer.sign(text);
          const expected = normaliseTokens(text, normalisation, tokens).split(" ").filter(Boolean).join(" ");
          assert.equal(signer.tokens(), expected, `${normalisation} ${tokens} ${JSON.stringify(text)}`);
        }),
        { seed: 61, numRuns: 400 },
      );
    }
  }
});

test("signatures equal the definition with BigInt, for shingles of every length up to three SHA-1 blocks", () => {
  const word = fc.integer({ min: 1, max: 45 }).map(n => "abcdefghij".repeat(5).slice(n % 10, (n % 10) + n));
  for (const options of [
    released,
    { ...released, ngram: 1, buckets: 3, rows: 1 },
    { ...released, ngram: 3, rows: 5 },
  ]) {
    const signer = createSigner(options);
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), words => {
        const count = signer.sign(words.join(" "));
        assert.equal(count, Math.max(0, words.length + 1 - options.ngram));
        if (count > 0) assert.deepEqual([...signer.signature()], slowSignature(words, options));
      }),
      { seed: 2, numRuns: 40 },
    );
  }
});

test("the smallest value is found among hashes and factors at their limits, with and without relaxed SIMD", () => {
  const edges: readonly bigint[] = [
    0n,
    1n,
    0x7fffn,
    0x8000n,
    0x8001n,
    0xffffn,
    1n << 45n,
    1n << 48n,
    mersenne61 - 1n,
  ];
  const number = (below: bigint): fc.Arbitrary<bigint> =>
    fc.oneof(
      fc.bigInt(0n, below - 1n),
      fc.tuple(fc.constantFrom(...edges), fc.nat(8), fc.boolean()).map(([edge, by, minus]) => {
        const value = minus ? -edge - BigInt(by) : edge * BigInt(by + 1);
        return ((value % below) + below) % below;
      }),
      // Digits at the ends of their range.
      fc
        .array(fc.constantFrom(0n, 0x7fffn, 0x8000n, 0xffffn), { minLength: 4, maxLength: 4 })
        .map(digits => digits.reduce<bigint>((sum, digit) => (sum << 16n) | digit, 0n) % below),
    );
  const kernels = [...new Set([false, hasRelaxedSimd()])].map(relaxed => createKernel(relaxed));
  const hashesAt = 4096;
  const minima = (hashes: readonly bigint[], a: readonly bigint[], b: readonly bigint[]) =>
    kernels.map(kernel => {
      new Uint8Array(kernel.memory.buffer).set(familyTable(a, b), 0);
      new BigUint64Array(kernel.memory.buffer, hashesAt, hashes.length).set(hashes);
      kernel.minimise(hashesAt, hashes.length, 0, a.length);
      const view = new DataView(kernel.memory.buffer);
      return a.map((_, i) => view.getBigUint64(i * entryBytes + minimumOffset, true));
    });
  fc.assert(
    fc.property(
      fc.array(number(1n << 64n), { minLength: 1, maxLength: 70 }),
      fc.array(fc.tuple(number(mersenne61 - 1n), number(mersenne61)), { minLength: 1, maxLength: 8 }),
      (hashes, pairs) => {
        const a = pairs.map(([factor]) => factor + 1n);
        const b = pairs.map(([, term]) => term);
        const expected = a.map((ai, i) =>
          hashes.map(s => BigInt.asUintN(64, s * ai + b[i]!) % mersenne61).reduce((x, y) => (y < x ? y : x)),
        );
        for (const found of minima(hashes, a, b)) assert.deepEqual(found, expected);
      },
    ),
    { seed: 3, numRuns: 1500 },
  );
});

test("fewer than five tokens make no signature; case, accents, punctuation and digits make no difference", () => {
  const signer = createSigner(released);
  assert.equal(signer.sign("one two three four"), 0);
  assert.equal(signer.sign(""), 0);
  assert.equal(signer.sign("!!! ... ,,,"), 0);
  const signatureOf = (text: string, options = released) => {
    const own = createSigner(options);
    own.sign(text);
    return sha256(own.signature());
  };
  const plain = signatureOf("cafe number 7 opens at nine today");
  assert.equal(signatureOf("CAFÉ, number 42: opens at nine — today!"), plain);
  assert.equal(signatureOf("Cafe\u0301 number 007 opens at “nine” today".normalize("NFD")), plain);
  assert.notEqual(signatureOf("ﬁve cafes open at nine today"), signatureOf("five cafes open at nine today"));
});

test("scripts without spaces have one token in whitespace mode and one a character in script-aware mode", () => {
  const text = "今日は図書館で本を読みました";
  assert.equal(createSigner(released).sign(text), 0);
  assert.equal(createSigner({ ...released, tokens: "script-aware" }).sign(text), 14 - 4);
  assert.ok(createSigner({ ...released, tokens: "script-aware" }).sign("วันนี้อากาศดีมาก") > 0);
});

test("XXH64 of the kernel equals known values, for every length of tail", () => {
  const kernel = createKernel() as ReturnType<typeof createKernel> & {
    xxh64(from: number, to: number): bigint;
  };
  const at = 1024;
  const hash = (text: string) => {
    const bytes = Buffer.from(text, "utf8");
    new Uint8Array(kernel.memory.buffer).set(bytes, at);
    return BigInt.asUintN(64, kernel.xxh64(at, at + bytes.length)).toString(16);
  };
  // Reference values: xxHash 0.8 with seed 0.
  assert.equal(hash(""), "ef46db3751d8e999");
  assert.equal(hash("a"), "d24ec4f1a98c6e5b");
  assert.equal(hash("as"), "1c330fb2d66be179");
  assert.equal(hash("asd"), "631c37ce72a97393");
  assert.equal(hash("asdf"), "415872f599cea71e");
  assert.equal(hash("Call me Ishmael. Some years ago--never mind how long precisely-"), "2a2e85470d6fd96");
});

test("signatures of 202 real documents equal datatrove's: given its tokens, and with our own words", t => {
  type Item = {
    readonly text: string;
    readonly c4: { readonly text: string };
    readonly minhash: {
      readonly input: string;
      readonly normalized: string;
      readonly normalized_words: string[];
      readonly signature: string[][] | null;
    };
  };
  const items = sharedLines<Item>(t, "oracle/datatrove-functions.jsonl.gz");
  if (!items) return;
  const current: SignatureOptions = { ...released, normalisation: "fineweb@0.10" as Normalisation };
  const given = createSigner(current);
  const own = createSigner({ ...current, tokens: "words" });
  const spaces = createSigner(current);
  const equal = { normalised: 0, given: 0, words: 0, whitespace: 0 };
  for (const { text, c4, minhash } of items) {
    const input = minhash.input === "c4 text" ? c4.text : text;
    const expected = (minhash.signature ?? []).flat();
    const same = (signer: typeof given, from: string) => {
      const count = signer.sign(from);
      if (expected.length === 0 || count === 0) return expected.length === count;
      return [...signer.signature()].every((value, i) => String(value) === expected[i]);
    };
    equal.normalised += Number(normaliseText(input, "fineweb@0.10") === minhash.normalized);
    equal.given += Number(same(given, minhash.normalized_words.join(" ")));
    equal.words += Number(same(own, input));
    equal.whitespace += Number(same(spaces, input));
  }
  t.diagnostic(`equal to datatrove 0.10 among ${items.length}: ${JSON.stringify(equal)}`);
  assert.equal(equal.normalised, items.length);
  assert.equal(equal.given, items.length);
  assert.equal(equal.words, items.length);
});
