/**
 * Charsets: the standard's order, the usual lies, and texts whose charset is known.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { normalizeEncoding } from "@exodus/bytes/encoding.js";
import fc from "fast-check";
import { charsetOf, decodeHtml, headerCharset } from "../../../pipeline/decoding/charset.ts";
import { metaCharset } from "../../../pipeline/decoding/prescan.ts";
import { countUtf8 } from "../../../pipeline/decoding/utf8.ts";
import { sharedData, withoutData } from "../readers/archives.ts";

const latin = (text: string) => Buffer.from(text, "latin1");
const of = (body: Buffer, contentType: string | null = null) => {
  const { text, charset, how, replaced } = decodeHtml(body, contentType);
  return { text, charset, how, replaced };
};
const brief = (body: Buffer, contentType: string | null = null) => {
  const { charset, how } = decodeHtml(body, contentType);
  return `${charset} ${how}`;
};

test("a byte order mark goes before everything and is not part of the text", () => {
  assert.deepEqual(of(Buffer.from("\ufeffhé"), "text/html; charset=windows-1251"), {
    text: "hé",
    charset: "utf-8",
    how: "bom",
    replaced: 0,
  });
  assert.deepEqual(of(Buffer.from("\ufeffhé", "utf16le"), "text/html; charset=utf-8").text, "hé");
  const swapped = Buffer.from("\ufeffhé", "utf16le").swap16();
  assert.deepEqual([of(swapped).text, of(swapped).charset], ["hé", "utf-16be"]);
});

test("the header goes before meta, meta before evidence", () => {
  const page = latin('<meta charset="windows-1251"><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>');
  assert.equal(brief(page, "text/html; charset=koi8-r"), "koi8-r header");
  assert.equal(brief(page), "windows-1251 meta");
  assert.match(of(page).text, /Привет/);
});

test("latin-1 and ascii mean windows-1252, whose 0x80 to 0x9F are letters and signs", () => {
  for (const label of ["iso-8859-1", "latin1", "ascii", "us-ascii", "windows-1252", "ISO8859-1"]) {
    const { text, charset } = of(latin("\x93quoted\x94 \x80 5 caf\xe9"), `text/html; charset=${label}`);
    assert.deepEqual([text, charset], ["“quoted” € 5 café", "windows-1252"]);
  }
});

test("gb2312 means gbk with its four-byte forms, euc-kr the whole of CP949, shift-jis and big5 the web's", () => {
  assert.equal(of(Buffer.from("c4e3bac3", "hex"), "text/html; charset=gb2312").text, "你好");
  assert.equal(of(Buffer.from("8130823131", "hex"), "text/html; charset=gbk").charset, "gbk");
  assert.equal(of(Buffer.from("8141", "hex"), "text/html; charset=euc-kr").text, "갂");
  assert.equal(
    of(Buffer.from("82b182f182c982bf82cd", "hex"), "text/html; charset=shift-jis").text,
    "こんにちは",
  );
  assert.equal(of(Buffer.from("8740", "hex"), "text/html; charset=big5").text, "䏰");
});

test("valid UTF-8 with characters of several bytes is UTF-8 whatever was declared", () => {
  const page = Buffer.from("<p>naïve café, Übermut</p>");
  for (const label of ["iso-8859-1", "windows-1251", "gbk", "shift_jis"])
    assert.equal(brief(page, `text/html; charset=${label}`), "utf-8 utf-8");
  assert.equal(brief(Buffer.from('<meta charset="iso-8859-15"><p>naïve café, Übermut</p>')), "utf-8 utf-8");
  // Two characters of GBK that happen to be one of UTF-8 stay what they were declared.
  assert.equal(of(Buffer.from("c1aa", "hex"), "text/html; charset=gbk").charset, "gbk");
});

test("UTF-8 with a few bad bytes is UTF-8 with each error replaced and counted", () => {
  const good = "Straße, Größe, Übermut, älter, schöner ".repeat(5);
  const body = Buffer.concat([
    Buffer.from(good),
    Buffer.from([0xff]),
    Buffer.from("und weiter"),
    Buffer.from([0xe2, 0x82]),
  ]);
  const { charset, how, replaced, text } = of(body, "text/html; charset=utf-8");
  assert.deepEqual({ charset, how, replaced }, { charset: "utf-8", how: "header", replaced: 2 });
  assert.equal(text, `${good}\ufffdund weiter\ufffd`);
});

test("U+FFFD that the page itself holds is not counted as an error", () => {
  assert.equal(of(Buffer.from("é \ufffd é \ufffd")).replaced, 0);
  assert.equal(
    of(Buffer.concat([Buffer.from("é \ufffd é à "), Buffer.from([0xff])]), "text/html; charset=utf-8")
      .replaced,
    1,
  );
});

test("declared UTF-8 that is mostly invalid falls to meta, to the detector, to windows-1252", () => {
  const russian = latin(
    "\xd1\xeb\xee\xe2\xe0 \xe8 \xf1\xed\xee\xe2\xe0 \xf1\xeb\xee\xe2\xe0, \xea\xe0\xea \xe2\xf1\xe5\xe3\xe4\xe0 \xed\xe0 \xfd\xf2\xee\xec \xf1\xe0\xe9\xf2\xe5. ",
  );
  const declared = Buffer.concat([latin('<meta charset="windows-1251">'), russian]);
  assert.equal(brief(declared, "text/html; charset=utf-8"), "windows-1251 meta");
  assert.equal(
    brief(Buffer.concat(Array(5).fill(russian)), "text/html; charset=utf-8"),
    "windows-1251 detected",
  );
  assert.equal(of(latin("It\x92s here"), "text/html; charset=utf-8").text, "It’s here");
});

test("UTF-16 in meta of a readable page means UTF-8; in a header it is believed only where the bytes agree", () => {
  assert.equal(metaCharset(latin('<meta charset="utf-16">')), "utf-8");
  assert.equal(brief(latin("<meta charset=utf-16><p>ascii"), null), "utf-8 meta");
  assert.equal(brief(latin("<p>plain ascii text</p>"), "text/html; charset=utf-16le"), "utf-8 utf-8");
  assert.equal(brief(Buffer.from("<p>wide text</p>", "utf16le")), "utf-16le detected");
  assert.equal(
    brief(Buffer.from("<p>wide text</p>", "utf16le"), "text/html; charset=utf-16le"),
    "utf-16le header",
  );
});

test("unknown, quoted and misspelt labels never throw: they fall through or are read", () => {
  for (const label of [
    "none",
    "utf8mb4",
    "",
    "x-nonsense",
    "iso-2022-kr",
    "hz-gb-2312",
    "replacement",
    "\u{1f600}",
  ])
    assert.equal(charsetOf(label), null, label);
  assert.equal(headerCharset('text/html; charset="UTF-8"; boundary=x'), "utf-8");
  assert.equal(headerCharset("text/html; Charset = 'windows-1251';"), "windows-1251");
  assert.equal(headerCharset("text/html;charset=utf-8,utf-8"), "utf-8");
  assert.equal(headerCharset("text/html; charset="), null);
  assert.equal(headerCharset("text/html"), null);
  assert.equal(brief(Buffer.from("é"), "text/html; charset=none"), "utf-8 utf-8");
});

test("meta is read as a browser reads it", () => {
  const cases: [string, string | null][] = [
    ["<meta charset=koi8-r>", "koi8-r"],
    ["<META CharSet = 'koi8-r' />", "koi8-r"],
    ['<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"],
    ["<meta content='text/html;charset=\"koi8-r\"' http-equiv=content-type>", "koi8-r"],
    ['<meta content="text/html; charset=koi8-r">', null],
    ['<!-- <meta charset="koi8-r"> --><meta charset="utf-8">', "utf-8"],
    ['<script>"<meta charset=koi8-r>"</script><meta charset="utf-8">', "utf-8"],
    ["<div title='<meta charset=koi8-r>'></div><meta charset=utf-8>", "utf-8"],
    ['<meta charset="nonsense"><meta charset="koi8-r">', "koi8-r"],
    ["<meta charset=x-user-defined>", "windows-1252"],
    ['<?xml version="1.0" encoding="koi8-r"?><html>', "koi8-r"],
    [`${" ".repeat(900)}<body><meta charset=koi8-r>`, "koi8-r"],
    [`<body>${" ".repeat(2000)}<meta charset=koi8-r>`, null],
    [`<head>${"<link rel=x>".repeat(200)}<meta charset=koi8-r>`, "koi8-r"],
    ["<meta", null],
    ["<meta charset", null],
    ["<!--", null],
    ["", null],
  ];
  for (const [page, wanted] of cases) assert.equal(metaCharset(latin(page)), wanted, page.slice(0, 80));
});

test("text is always well-formed Unicode, whatever the bytes and the declaration", () => {
  const labels = [
    "utf-8",
    "gbk",
    "big5",
    "euc-jp",
    "euc-kr",
    "shift_jis",
    "iso-2022-jp",
    "utf-16le",
    "windows-874",
    "gb18030",
    "x",
    "",
  ];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...labels), (bytes, label) => {
      const { text, charset, replaced } = decodeHtml(bytes, `text/html; charset=${label}`);
      return text.isWellFormed() && normalizeEncoding(charset) === charset && replaced >= 0;
    }),
    { seed: 7, numRuns: 1500 },
  );
});

test("valid UTF-8 reads the same whatever widths its characters have in memory", () => {
  const unit = fc.constantFrom(
    "a",
    "é",
    "ÿ",
    "Ā",
    "ą",
    "ж",
    "’",
    "漢",
    "\u{1f600}",
    "\u{10ffff}",
    "\0",
    "\ufeff",
  );
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 40 }), units => {
      const text = `<p>${units.join("")}`;
      assert.equal(decodeHtml(Buffer.from(text), "text/html; charset=utf-8").text, text);
    }),
    { seed: 13, numRuns: 1000 },
  );
});

test("errors are counted as the standard's decoder replaces them", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      const own = Buffer.from(bytes).toString("latin1").split("\xef\xbf\xbd").length - 1;
      return [...text].filter(char => char === "\ufffd").length === countUtf8(bytes).invalid + own;
    }),
    { seed: 11, numRuns: 3000 },
  );
});

const sameThing: Readonly<Record<string, string>> = { maccyrillic: "x-mac-cyrillic", ascii: "utf-8" };
/** Encodings of the reference texts that the web's standard does not have: no browser decodes them. */
const notOnTheWeb =
  /ibm85[25]|maccentraleurope|viscii|euc-tw|utf-32|iso-2022-kr|iso-8859-(?:8|11|9|16|13|10|15|3)\b|tis-620/;

test("texts of a known charset without a declaration are told apart", { skip: withoutData() }, () => {
  const root = join(sharedData, "charset", "uchardet", "test");
  let right = 0;
  const wrong: string[] = [];
  for (const language of readdirSync(root)) {
    for (const file of readdirSync(join(root, language))) {
      const name = file
        .replace(/\.(?:txt|smi|html)$/, "")
        .replace("uhc", "euc-kr")
        .replace(/^utf-16\./, "utf-16");
      if (notOnTheWeb.test(name) || !/^[a-z]/.test(name)) continue;
      const { charset, text } = decodeHtml(readFileSync(join(root, language, file)), null);
      const wanted = normalizeEncoding(sameThing[name] ?? name);
      if (charset === wanted) right++;
      else wrong.push(`${language}/${name}: ${charset}`);
      assert.ok(text.isWellFormed());
    }
  }
  assert.ok(right >= 60, `${right} right`);
  // Texts too short or too alike: two words of Japanese and Chinese repeated, Estonian and Greek in cousins of theirs.
  assert.ok(wrong.length <= 10, wrong.join(", "));
});
