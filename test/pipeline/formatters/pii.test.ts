/**
 * Personal data: every case of the table of tricky ones, properties (scrubbing twice changes nothing, nothing but finds
 * changes), hostile text, and precision and recall on presidio's labelled texts.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { defaults } from "../../../lib/options.ts";
import { findPii, type PiiKind, pii, piiTags, redactPii } from "../../../pipeline/formatters/pii.ts";
import { isPublic4, parse6 } from "../../../pipeline/formatters/pii-ip.ts";
import { isIban, passesLuhn } from "../../../pipeline/formatters/pii-numbers.ts";
import type { Judge } from "../../../pipeline/stage.ts";
import { sharedLines, sharedPath } from "../shared-data.ts";

const usual = defaults(pii.options);
const everything = { ...usual, phone: true, socialSecurity: true, creditCard: true, iban: true };
const scrubbed = (text: string, settings = usual) => redactPii(text, settings).text;

const table: readonly (readonly [string, string])[] = [
  ["version 4.3.2.1", "version 4.3.2.1"],
  ["Section 3.1.2.4", "Section 3.1.2.4"],
  ["see § 3.1.2.4 there", "see § 3.1.2.4 there"],
  ["v4.3.2.1 and package-4.3.2.1", "v4.3.2.1 and package-4.3.2.1"],
  [
    'nginx/1.9.7.1, java version "17.0.4.1", 17.0.4.1-lib',
    'nginx/1.9.7.1, java version "17.0.4.1", 17.0.4.1-lib',
  ],
  ["oid 1.3.6.1.4.1", "oid 1.3.6.1.4.1"],
  ["chain 8.8.8.8.8", "chain 8.8.8.8.8"],
  ["1234.56.78.90 8.2.3.4567 999.1.1.1", "1234.56.78.90 8.2.3.4567 999.1.1.1"],
  ["10.0.0.1 192.168.1.1 127.0.0.1 169.254.1.1", "10.0.0.1 192.168.1.1 127.0.0.1 169.254.1.1"],
  ["100.64.0.1 192.0.2.1 0.0.0.0 255.255.255.255", "100.64.0.1 192.0.2.1 0.0.0.0 255.255.255.255"],
  ["172.15.0.1 172.16.0.1 172.31.9.9 172.32.0.1", "<ip> 172.16.0.1 172.31.9.9 <ip>"],
  ["08.08.08.08", "08.08.08.08"],
  ["It is 8.8.8.8.", "It is <ip>."],
  ["(8.8.8.8), 8.8.8.8:80, 8.8.8.8/24", "(<ip>), <ip>:80, <ip>/24"],
  ["http://8.8.8.8/x", "http://<ip>/x"],
  ["2001:4860:4860::8888", "<ip>"],
  ["[2001:4860:4860::8888]:443", "[<ip>]:443"],
  ["::ffff:8.8.8.8", "<ip>"],
  ["::ffff:10.0.0.1", "::ffff:10.0.0.1"],
  ["2001:db8::1 fe80::1 ::1 2002::1 fc00::1", "2001:db8::1 fe80::1 ::1 2002::1 fc00::1"],
  ["std::vector a::b dead::beef", "std::vector a::b dead::beef"],
  ["at 12:30:45, MAC aa:bb:cc:dd:ee:ff", "at 12:30:45, MAC aa:bb:cc:dd:ee:ff"],
  ["6e40:4041:c617:e898:c11:40d2:c669:2eb4", "<ip>"],
  ["a.b+c@Example.co.uk", "<email>"],
  ["müller@example.de", "<email>"],
  ["user@müller.de", "<email>"],
  ["jose\u0301@example.es", "<email>"],
  ["用户@例子.中国", "<email>"],
  ["mailto:bob@x.com?subject=hi", "mailto:<email>?subject=hi"],
  ["https://u:p@example.com/", "https://example.com/"],
  ["ftp://anonymous:me@here@example.com/a", "ftp://example.com/a"],
  ["https://example.com/@user/42", "https://example.com/@user/42"],
  ["npm i pkg@1.2.3", "npm i pkg@1.2.3"],
  ["x@1.2", "x@1.2"],
  ["photo@2x.png", "photo@2x.png"],
  ["git@github.com:org", "git@github.com:org"],
  ["write to git@github.com", "write to <email>"],
  ["foo@bar@baz.com", "<email>"],
  ["foo@bar.com@baz.com", "<email>"],
  ["user at example dot com, a@b", "user at example dot com, a@b"],
  ["@handle and @Override", "@handle and @Override"],
  ["From: Bob <user@host>", "From: Bob <user@host>"],
  ["From: Bob <user@host.org>", "From: Bob <<email>>"],
  ["user@[8.8.8.8]", "<email>"],
  ["user@8.8.8.8", "user@<ip>"],
  ["'bob@x.com', \"o'brien@x.com\"", "'<email>', \"<email>\""],
  ["bob@example.com.Please write", "<email>.Please write"],
  ["bob@example.com.", "<email>."],
  ["email@example.com 22.214.171.124", "<email> <ip>"],
  ["", ""],
  ["@", "@"],
  ["@@@@ .@. a@.com", "@@@@ .@. a@.com"],
];

test("the table of tricky cases", () => {
  for (const [from, to] of table) assert.equal(scrubbed(from), to, from);
});

test("scrubbing what was scrubbed changes nothing, for the table and for texts made of its pieces", () => {
  for (const [from] of table) {
    const once = scrubbed(from, everything);
    assert.equal(scrubbed(once, everything), once, from);
  }
  const piece = fc.constantFrom(
    ...[
      "8.8.8.8",
      "1.2",
      ".",
      ":",
      "::",
      "2001:4860::1",
      "a@b.com",
      "@",
      "x",
      "version ",
      " ",
      "-",
      "/",
      "://",
      "u:p",
    ],
    ...[
      "+1 212 555 0199",
      "4111111111111111",
      "078-05-1120",
      "GB82WEST12345698765432",
      "<email>",
      "<ip>",
      ">",
      "<",
      "9",
      "tel ",
    ],
  );
  const text = fc.array(piece, { maxLength: 12 }).map(parts => parts.join(""));
  fc.assert(
    fc.property(text, value => {
      const { text: once } = redactPii(value, everything);
      const again = redactPii(once, everything);
      assert.equal(again.text, once);
      assert.deepEqual(again.counts, {});
    }),
    { seed: 220, numRuns: 3000 },
  );
});

test("nothing but the finds changes, and the counts are those of the tags", () => {
  const text = fc
    .array(fc.constantFrom("Hello ", "8.8.8.8", " a@b.com ", "\n", "😀", "é", "1.1.1.1 "), { maxLength: 20 })
    .map(parts => parts.join(""));
  fc.assert(
    fc.property(text, value => {
      const finds = findPii(value, usual);
      let rebuilt = "";
      let at = 0;
      for (const { start, end, kind } of finds) {
        assert.ok(start >= at && end > start);
        rebuilt += value.slice(at, start) + piiTags[kind];
        at = end;
      }
      rebuilt += value.slice(at);
      const { text: redacted, counts } = redactPii(value, usual);
      assert.equal(redacted, rebuilt);
      assert.equal(counts.email ?? 0, redacted.split("<email>").length - 1);
      assert.equal(counts.ip ?? 0, redacted.split("<ip>").length - 1);
    }),
    { seed: 3, numRuns: 500 },
  );
});

const document = (text: string) => ({
  id: "d",
  url: null,
  date: "",
  text,
  page: null,
  meta: { language: "en" },
  at: { file: "f", offset: 0, length: 1 },
});
const build = (settings: typeof usual) =>
  pii.build(settings, { load: () => Promise.reject(new Error("no file")), seed: 1 }) as Judge;

test("the stage counts finds by kind, leaves a clean document as it is, and drops instead if asked to", () => {
  const clean = document("Nothing to see.");
  const verdict = build(usual)(clean);
  assert.ok("keep" in verdict && verdict.keep === clean);
  const dirty = Object.freeze(document("a@b.com, c@d.org and 8.8.8.8 of https://u:p@x.com"));
  const redacted = build(usual)(dirty);
  assert.ok("keep" in redacted);
  assert.equal(redacted.keep.text, "<email>, <email> and <ip> of https://x.com");
  assert.deepEqual(redacted.keep.meta, { language: "en", pii_email: 2, pii_ip: 1, pii_password: 1 });
  assert.deepEqual(build({ ...usual, action: "drop" })(dirty), {
    drop: "personal-data",
    value: 4,
    threshold: 0,
  });
  assert.ok("keep" in build({ ...usual, action: "drop" })(clean));
  const off = build({ ...usual, email: false, ip: "off" })(dirty);
  assert.ok("keep" in off && off.keep === dirty);
  assert.equal(scrubbed("10.0.0.1 8.8.8.8", { ...usual, ip: "all" }), "<ip> <ip>");
});

test("a document's text does not depend on what was scrubbed before it", () => {
  const texts = table.map(([from]) => from);
  const judge = build(everything);
  const forward = texts.map(text => JSON.stringify(judge(document(text))));
  const backward = [...texts].reverse().map(text => JSON.stringify(judge(document(text))));
  assert.deepEqual(backward.reverse(), forward);
});

test("numbers of people: check digits decide, look-alikes stay", () => {
  assert.ok(passesLuhn("4111111111111111") && !passesLuhn("4111111111111112"));
  assert.ok(
    isIban("GB82WEST12345698765432") && !isIban("GB82WEST12345698765431") && !isIban("GB82WEST1234569876543"),
  );
  const cases: readonly (readonly [string, string])[] = [
    ["card 4111 1111 1111 1111.", "card <card>."],
    ["card 4111-1111-1111-1112", "card 4111-1111-1111-1112"],
    ["rows 635-641 417-418 and posts/2395361813834269", "rows 635-641 417-418 and posts/2395361813834269"],
    ["10:30:002023-01-10 11:00:00", "10:30:002023-01-10 11:00:00"],
    ["id 1111111111111111", "id 1111111111111111"],
    ["IBAN GB82 WEST 1234 5698 7654 32, please", "IBAN <iban>, please"],
    ["DE89370400440532013000", "<iban>"],
    ["DE88370400440532013000", "DE88370400440532013000"],
    ["SSN 078-05-1120", "SSN <ssn>"],
    [
      "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000",
      "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000",
    ],
    ["call (212) 555-0199 now", "call <phone> now"],
    ["+44 20 7946 0958", "<phone>"],
    ["Tel.: 030 1234567", "Tel.: <phone>"],
    ["in 2019-2020 we sold 1,234,567 units", "in 2019-2020 we sold 1,234,567 units"],
    ["ISBN 978-3-16-148410-0, 2024-11-05 10:30", "ISBN 978-3-16-148410-0, 2024-11-05 10:30"],
  ];
  for (const [from, to] of cases) assert.equal(scrubbed(from, everything), to, from);
  assert.equal(
    scrubbed("4111111111111111 078-05-1120 +44 20 7946 0958"),
    "4111111111111111 078-05-1120 +44 20 7946 0958",
  );
});

test("addresses: validity and scope", () => {
  assert.deepEqual(parse6("1:2:3:4:5:6:7:8"), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(parse6("::1"), [0, 0, 0, 0, 0, 0, 0, 1]);
  assert.equal(parse6("1:2:3:4:5:6:7"), null);
  assert.equal(parse6("1::2::3"), null);
  assert.equal(parse6("1:2:3:4:5:6:7:8:9"), null);
  assert.equal(parse6("::12345"), null);
  assert.ok(
    isPublic4("8.8.8.8") && !isPublic4("224.0.0.1") && !isPublic4("256.1.1.1") && !isPublic4("1.1.1"),
  );
});

test("hostile text takes no longer than its length", () => {
  const n = 200_000;
  for (const text of [
    "@".repeat(n),
    "a@".repeat(n / 2),
    "a@b.com".repeat(n / 7),
    ":".repeat(n),
    "1.".repeat(n / 2),
    "1:".repeat(n / 2),
    "8.8.8.8 ".repeat(n / 8),
    "://".repeat(n / 3) + "@",
    "1 ".repeat(n / 2),
    "GB82".repeat(n / 4),
    "a.".repeat(n / 2) + "@" + "b.".repeat(n / 2) + "com",
  ]) {
    const once = redactPii(text, everything).text;
    assert.equal(redactPii(once, everything).text, once);
  }
});

test("precision and recall on presidio's labelled texts", t => {
  const path = sharedPath(t, "pii/presidio-research/data/synth_dataset_v2.json");
  if (!path) return;
  type Item = {
    readonly full_text: string;
    readonly spans: readonly { entity_type: string; start_position: number; end_position: number }[];
  };
  const items = JSON.parse(readFileSync(path, "utf8")) as Item[];
  const labels: readonly (readonly [PiiKind, string, number, number])[] = [
    ["email", "EMAIL_ADDRESS", 1, 1],
    ["ip", "IP_ADDRESS", 1, 1],
    ["iban", "IBAN_CODE", 1, 1],
    ["ssn", "US_SSN", 1, 1],
    ["card", "CREDIT_CARD", 1, 0.99],
    ["phone", "PHONE_NUMBER", 0.98, 0.95],
  ];
  for (const [kind, label, precision, recall] of labels) {
    let [right, found, there, caught] = [0, 0, 0, 0];
    for (const { full_text, spans } of items) {
      const finds = findPii(full_text, everything).filter(find => find.kind === kind);
      // Offsets of the labels are code points.
      const units = [0];
      for (const character of full_text) units.push(units[units.length - 1]! + character.length);
      const gold = spans
        .filter(span => span.entity_type === label)
        .map(span => ({ start: units[span.start_position]!, end: units[span.end_position]! }));
      const overlap = (a: { start: number; end: number }, b: { start: number; end: number }) =>
        a.start < b.end && b.start < a.end;
      found += finds.length;
      there += gold.length;
      right += finds.filter(find => gold.some(span => overlap(find, span))).length;
      caught += gold.filter(span => finds.some(find => overlap(find, span))).length;
    }
    t.diagnostic(
      `${kind}: precision ${(right / found).toFixed(3)}, recall ${(caught / there).toFixed(3)} of ${there}`,
    );
    assert.ok(right / found >= precision && caught / there >= recall, kind);
  }
});

test("emails that datatrove finds on real pages are found here too, except what is none", t => {
  type Page = {
    readonly outcome: string;
    readonly text: string;
    readonly text_c4?: string;
    readonly pii_changed?: boolean;
  };
  const pages = sharedLines<Page>(t, "oracle/datatrove.jsonl.gz");
  if (!pages) return;
  const kept = pages.filter(({ outcome }) => outcome === "to_dedup");
  const changed = kept.filter(({ pii_changed }) => pii_changed);
  const ours = kept.filter(page => findPii(page.text_c4 ?? page.text, usual).length > 0);
  const missed = changed.filter(page => !ours.includes(page));
  t.diagnostic(
    `datatrove changes ${changed.length} of ${kept.length} pages, we ${ours.length}, ${missed.length} of its only`,
  );
  assert.ok(changed.length > 0 && missed.length <= changed.length * 0.1);
});
