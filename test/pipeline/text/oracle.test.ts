/** Words and sentences against spaCy's blank English tokenizer and sentencizer, on 202 real pages in many languages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { countSentences } from "../../../pipeline/text/sentences.ts";
import { splitWords } from "../../../pipeline/text/words.ts";
import { sharedLines } from "../shared-data.ts";

type Item = {
  readonly url: string;
  readonly text: string;
  readonly words: readonly string[];
  readonly sentences: readonly string[];
};

test("words equal spaCy 3.8.4's on every page of the sample; sentence counts on all but those with odd spacing", t => {
  const items = sharedLines<Item>(t, "oracle/datatrove-functions.jsonl.gz");
  if (!items) return;
  let words = 0;
  let sentencesDiffer = 0;
  const differing: string[] = [];
  for (const { url, text, words: theirs, sentences } of items) {
    const ours = splitWords(text);
    words += theirs.length;
    if (ours.length !== theirs.length || ours.some((word, i) => word !== theirs[i])) differing.push(url);
    if (countSentences(text) !== sentences.length) sentencesDiffer++;
  }
  t.diagnostic(
    `${items.length - differing.length} of ${items.length} pages, ${words} words, cut as spaCy 3.8.4 does`,
  );
  t.diagnostic(`${items.length - sentencesDiffer} of ${items.length} whole pages have as many sentences`);
  assert.deepEqual(differing, []);
  // A blank line is a token to spaCy and may begin a sentence; C4 asks line by line, where that cannot happen.
  assert.ok(sentencesDiffer <= 4);
});
