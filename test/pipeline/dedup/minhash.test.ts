/**
 * MinHash from end to end on disk: which copy is kept, what does not change the result, what is refused, and how often
 * pairs of known similarity are caught.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UserError } from "../../../lib/errors.ts";
import { defaults } from "../../../lib/options.ts";
import { random } from "../../../lib/random.ts";
import type { CorpusStage } from "../../../pipeline/corpus-stage.ts";
import { minhash as minhashStage } from "../../../pipeline/dedup/minhash.ts";
import { jaccard } from "../../../pipeline/dedup/pairs.ts";
import type { Document } from "../../../pipeline/document.ts";
import { sharedLines } from "../shared-data.ts";
import {
  applied,
  collectAndCluster,
  deduplicated,
  document,
  keptIds,
  madeText,
  type Outcome,
  temporary,
} from "./corpus.ts";

const minhash = minhashStage as unknown as CorpusStage;

/** `text` with every n-th word replaced. */
const altered = (text: string, every: number, seed: number): string =>
  text
    .split(" ")
    .map((word, i) => (i % every === every - 1 ? `x${seed}y${i}` : word))
    .join(" ");

const summary = (outcomes: ReadonlyMap<string, Outcome>) =>
  [...outcomes]
    .map(([id, { verdict, membership }]) => ({
      id,
      drop: "drop" in verdict ? verdict : null,
      meta: "keep" in verdict ? verdict.keep.meta : null,
      membership,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));

test("of copies in one task and across tasks one is kept, with the size of its cluster; the others name it", async () => {
  const same = madeText(1, 50);
  const tasks = [
    [document("a", same), document("b", madeText(2, 50)), document("c", same)],
    [document("d", madeText(3, 50))],
    [document("e", `  ${same.toUpperCase()}!`), document("f", madeText(4, 50))],
  ];
  const outcomes = await deduplicated({ stage: minhash, tasks });
  assert.deepEqual(keptIds(outcomes), ["a", "b", "d", "f"]);
  const kept = outcomes.get("a")!;
  assert.ok("keep" in kept.verdict);
  assert.equal(kept.verdict.keep.meta["minhash_cluster_size"], 3);
  assert.equal(kept.verdict.keep.meta["minhash_cluster_id"], kept.membership!.cluster);
  assert.deepEqual(outcomes.get("e")!.verdict, { drop: "duplicate", value: "a" });
  assert.deepEqual(outcomes.get("c")!.membership, kept.membership);
  assert.equal(outcomes.get("b")!.membership, null);
  const alone = outcomes.get("b")!.verdict;
  assert.equal("keep" in alone && alone.keep.meta["minhash_cluster_size"], 1);
});

test("texts of fewer than five words have no signature: both copies stay", async () => {
  const outcomes = await deduplicated({
    stage: minhash,
    tasks: [
      [document("a", "only four words here"), document("b", "only four words here"), document("c", "")],
    ],
  });
  assert.deepEqual(keptIds(outcomes), ["a", "b", "c"]);
});

test("no documents, no tasks, an empty task and a task of short texts are no trouble", async () => {
  assert.equal((await deduplicated({ stage: minhash, tasks: [] })).size, 0);
  assert.equal((await deduplicated({ stage: minhash, tasks: [[], []] })).size, 0);
  const tasks = [
    [],
    [document("a", "short")],
    [document("b", madeText(1, 30)), document("c", madeText(1, 30))],
    [],
  ];
  assert.deepEqual(keptIds(await deduplicated({ stage: minhash, tasks })), ["a", "b"]);
});

test("ten thousand copies leave one", async () => {
  const text = madeText(9, 12);
  const tasks = Array.from({ length: 2 }, (_, t) =>
    Array.from({ length: 5000 }, (_, i) => document(`copy-${t}-${String(i).padStart(4, "0")}`, text)),
  );
  const outcomes = await deduplicated({ stage: minhash, tasks });
  assert.deepEqual(keptIds(outcomes), ["copy-0-0000"]);
  assert.equal(outcomes.get("copy-1-4999")!.membership!.size, 10_000);
});

test("a chain is one cluster though its ends have little in common; verification breaks it where a link is weak", async () => {
  const words = madeText(5, 400).split(" ");
  const chain = Array.from({ length: 30 }, (_, i) =>
    document(`d${String(i).padStart(2, "0")}`, words.slice(i * 6, i * 6 + 200).join(" ")),
  );
  const outcomes = await deduplicated({ stage: minhash, tasks: [chain] });
  assert.deepEqual(keptIds(outcomes), ["d00"]);
  assert.equal(outcomes.get("d29")!.membership!.size, 30);
  const strict = await deduplicated({ stage: minhash, tasks: [chain], options: { verify: 0.99 } });
  assert.equal(keptIds(strict).length, 30);
  const lenient = await deduplicated({ stage: minhash, tasks: [chain], options: { verify: 0.5 } });
  assert.deepEqual(keptIds(lenient), ["d00"]);
});

test("which copy is kept: the first, the longest or the newest, ties by id", async () => {
  const text = madeText(6, 300);
  const tasks = [
    [document("m", text, "2024-01-01T00:00:00Z"), document("b", text, "2024-03-01T00:00:00Z")],
    [document("a", text, "2024-03-01T00:00:00Z"), document("z", `${text} and more`, "")],
  ];
  const kept = async (keep: string) =>
    keptIds(await deduplicated({ stage: minhash, tasks, options: { keep } }));
  assert.deepEqual(await kept("first"), ["m"]);
  assert.deepEqual(await kept("longest"), ["z"]);
  assert.deepEqual(await kept("newest"), ["a"]);
});

/** A corpus with clusters of many sizes, near copies and loners, in random order. */
function corpus(n: number): Document[] {
  const next = random(77);
  return Array.from({ length: n }, (_, i) => {
    const family = next.below(n / 3);
    const text = madeText(1000 + family, 40 + (family % 60));
    const shown = next.below(3) === 0 ? altered(text, 40 + next.below(40), i) : text;
    return document(
      `id-${String((i * 7919) % 100_003).padStart(6, "0")}`,
      shown,
      `2024-0${1 + next.below(9)}-01`,
    );
  });
}

const inTasks = (documents: readonly Document[], n: number): Document[][] =>
  Array.from({ length: n }, (_, t) => documents.filter((_, i) => i % n === t));

test("the result does not depend on the order of tasks and jobs, on memory, nor on how documents are spread over tasks", async () => {
  const documents = corpus(300);
  for (const keep of ["longest", "newest"]) {
    const options = { keep };
    const expected = summary(await deduplicated({ stage: minhash, tasks: [documents], options }));
    assert.ok(expected.some(({ drop }) => drop) && expected.some(({ membership }) => membership === null));
    for (const n of [3, 8]) {
      const tasks = inTasks(documents, n);
      assert.deepEqual(
        summary(await deduplicated({ stage: minhash, tasks, options, backwards: true })),
        expected,
      );
    }
    const turned = [...documents].reverse();
    assert.deepEqual(
      summary(await deduplicated({ stage: minhash, tasks: inTasks(turned, 5), options })),
      expected,
    );
  }
});

test("bytes on disk do not depend on the order of jobs, and 70 tasks are merged with few files open", async () => {
  const tasks = inTasks(corpus(210), 70);
  const read = (dir: string) =>
    (readdirSync(dir, { recursive: true, encoding: "utf8" }) as string[])
      .sort()
      .filter(name => statSync(join(dir, name)).isFile())
      .map(name => [name, readFileSync(join(dir, name)).toString("base64")]);
  const [one, other] = [temporary(), temporary()];
  const files = await collectAndCluster({ stage: minhash, tasks }, one);
  await collectAndCluster({ stage: minhash, tasks, backwards: true }, other);
  assert.deepEqual(read(one), read(other));
  const named = files.map(({ path }) => path.slice(one.length + 1)).sort();
  assert.deepEqual(
    named,
    read(one).map(([name]) => name),
  );
  assert.ok(named.every(name => /^(collected|buckets|clusters|removals)\//.test(name!)));
  for (const dir of [one, other]) rmSync(dir, { recursive: true });
});

test("clusters, duplicates and texts agree with datatrove's on the pages that its filters kept", async t => {
  type Page = { id: string; outcome: string; text: string; text_c4?: string; cluster_id?: number };
  const pages = sharedLines<Page>(t, "oracle/datatrove.jsonl.gz");
  if (!pages) return;
  const kept = pages.filter(({ outcome }) => outcome === "to_dedup");
  const documents = kept.map(({ id, text, text_c4 }) => document(id, text_c4 ?? text));
  const options = { normalisation: "fineweb@0.10", tokens: "words" };
  const outcomes = await deduplicated({ stage: minhash, tasks: inTasks(documents, 2), options });
  const groups = (entries: readonly (readonly [string, unknown])[]) => {
    const byCluster = new Map<unknown, string[]>();
    for (const [id, cluster] of entries) byCluster.set(cluster, [...(byCluster.get(cluster) ?? []), id]);
    return [...byCluster.values()].map(ids => ids.sort().join(" ")).sort();
  };
  const ours = groups(
    [...outcomes].flatMap(([id, { membership }]) => (membership ? [[id, membership.cluster] as const] : [])),
  );
  const theirs = groups(
    kept.flatMap(({ id, cluster_id }) => (cluster_id === undefined ? [] : [[id, cluster_id] as const])),
  );
  t.diagnostic(`${ours.length} clusters, datatrove 0.10 has ${theirs.length}`);
  assert.deepEqual(ours, theirs);
});

test("pairs of known similarity are caught as often as the formula says", async t => {
  const pairs = 300;
  const expected = { 0.5: 0.053, 0.6: 0.211, 0.7: 0.564, 0.8: 0.924, 0.9: 0.9996 };
  for (const [similarity, probability] of Object.entries(expected)) {
    const documents: Document[] = [];
    for (let i = 0; i < pairs; i++) {
      // Two runs of words that overlap: of n + m − shared 5-grams, `shared` are common.
      const s = Number(similarity);
      const grams = 200;
      const shared = Math.round((2 * grams * s) / (1 + s));
      const words = madeText(i + 5000, 2 * grams - shared + 4).split(" ");
      documents.push(document(`${i}-a`, words.slice(0, grams + 4).join(" ")));
      documents.push(document(`${i}-b`, words.slice(grams - shared).join(" ")));
    }
    const outcomes = await deduplicated({ stage: minhash, tasks: [documents] });
    const caught = (documents.length - keptIds(outcomes).length) / pairs;
    const error = Math.sqrt((probability * (1 - probability)) / pairs);
    t.diagnostic(`similarity ${similarity}: ${caught} caught, ${probability} expected`);
    assert.ok(
      Math.abs(caught - probability) <= 4 * error + 0.005,
      `${similarity}: ${caught} of ${probability}`,
    );
  }
});

test("versions of one abstract are found and different abstracts kept apart, as well as on CORE's labelled pairs", async t => {
  // As the versions of one paper differ in several repositories: typography, line breaks, hyphenation, a heading in
  // front, an end cut off, words misread; and as different papers of one group agree, in half of their sentences.
  const { below, uniform } = random(73);
  const sentences = (seed: number, count: number) => {
    const words = madeText(seed, count * 18).split(" ");
    return Array.from({ length: count }, (_, i) => `${words.slice(i * 18, i * 18 + 18).join(" ")}.`);
  };
  const misread = (text: string, share: number) =>
    text
      .split(" ")
      .map(word => (uniform() < share ? `${word.slice(0, -1)}${below(10) < 5 ? "rn" : "l"}` : word))
      .join(" ");
  const edits: readonly (readonly [string, (text: string) => string])[] = [
    ["typography", text => text.toUpperCase().replaceAll(".", " !").replaceAll(" ", "  ")],
    ["line breaks", text => text.replace(/(.{60,70}) /g, "$1\n")],
    ["a heading", text => `Abstract\nPublished online by the Society, all rights reserved\n${text}`],
    ["cut off", text => text.split(". ").slice(0, -2).join(". ")],
    ["2 % misread", text => misread(text, 0.02)],
  ];
  const documents: Document[] = [];
  for (let paper = 0; paper < 400; paper++) {
    const methods = sentences(90_000 + Math.floor(paper / 4), 6);
    const text = [...sentences(10_000 + paper, 6), ...methods].join(" ");
    documents.push(document(`${paper} as published`, text));
    for (let version = below(3); version > 0; version--) {
      const [name, edit] = edits[below(edits.length)]!;
      documents.push(document(`${paper} ${name} ${version}`, edit(text)));
    }
  }
  const outcomes = await deduplicated({ stage: minhash, tasks: inTasks(documents, 3) });
  const paperOf = (id: string) => id.split(" ", 1)[0]!;
  const clusterOf = (id: string) => outcomes.get(id)!.membership?.cluster ?? id;
  const pairs = { right: 0, wrong: 0, missed: 0 };
  const missed = new Map<string, number>();
  for (const [i, { id: a }] of documents.entries())
    for (const { id: b } of documents.slice(i + 1)) {
      const [same, found] = [paperOf(a) === paperOf(b), clusterOf(a) === clusterOf(b)];
      if (same && found) pairs.right++;
      else if (found) pairs.wrong++;
      else if (same) {
        pairs.missed++;
        const kind = b.replace(/^\d+ | \d+$/g, "");
        missed.set(kind, (missed.get(kind) ?? 0) + 1);
      }
    }
  const precision = pairs.right / (pairs.right + pairs.wrong);
  const recall = pairs.right / (pairs.right + pairs.missed);
  t.diagnostic(
    `${documents.length} documents, precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)}; missed: ${JSON.stringify(Object.fromEntries(missed))}`,
  );
  assert.ok(pairs.right > 300);
  assert.ok(precision >= 0.959, `precision ${precision}`);
  assert.ok(recall >= 0.942, `recall ${recall}`);
});

test("Jaccard of ascending sets", () => {
  const set = (...values: number[]) => Uint32Array.from(values);
  assert.equal(jaccard(set(1, 2, 3), set(2, 3, 4)), 0.5);
  assert.equal(jaccard(set(), set()), 0);
  assert.equal(jaccard(set(1), set(1)), 1);
});

async function damage(change: (dir: string) => void): Promise<unknown> {
  const dir = temporary();
  const tasks = inTasks(corpus(60), 2);
  try {
    await collectAndCluster({ stage: minhash, tasks }, dir);
    change(dir);
    const values = defaults(minhash.options);
    for (const round of minhash.rounds(values, tasks.length))
      for (let job = 0; job < round.jobs; job++) await round.run(job, { dir, memory: 1e8, seed: 1 });
    await applied({ stage: minhash, tasks }, dir);
    return null;
  } catch (error) {
    return error;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test("a file that was cut, flipped or lost is refused by name with what to do, never merged", async () => {
  const flip = (path: string, at: number) => {
    const bytes = readFileSync(path);
    bytes[at < 0 ? bytes.length + at : at]! ^= 1;
    writeFileSync(path, bytes);
  };
  const cases: readonly (readonly [string, (dir: string) => void])[] = [
    ["00001.keys", dir => truncateSync(join(dir, "collected/00001.keys"), 100)],
    ["00001.keys", dir => flip(join(dir, "collected/00001.keys"), 5)],
    ["00000.keys", dir => flip(join(dir, "collected/00000.keys"), -20)],
    ["00000.facts", dir => flip(join(dir, "collected/00000.facts"), 3)],
    ["00000.facts", dir => truncateSync(join(dir, "collected/00000.facts"), 0)],
    ["00001.keys", dir => rmSync(join(dir, "collected/00001.keys"))],
    ["00000.ids", dir => flip(join(dir, "collected/00000.ids"), 0)],
    [
      "00001.keys",
      dir =>
        writeFileSync(join(dir, "collected/00001.keys"), readFileSync(join(dir, "collected/00000.keys"))),
    ],
  ];
  assert.equal(await damage(() => {}), null);
  for (const [name, change] of cases) {
    const error = await damage(change);
    assert.ok(error instanceof UserError, `${name}: ${String(error)}`);
    assert.match(error.message, new RegExp(`${name} is damaged: `));
    assert.match(error.hint!, /--fresh/);
  }
});

test("documents that are not the ones collected are noticed", async () => {
  const dir = temporary();
  const text = madeText(1, 40);
  const tasks = [[document("a", text), document("b", text), document("c", "x")]];
  await collectAndCluster({ stage: minhash, tasks }, dir);
  const judge = await minhash.apply(defaults(minhash.options), { dir, memory: 1e8, seed: 1, task: 0 });
  assert.throws(() => judge(document("other", text), 0), /made for other documents/);
  const again = await minhash.apply(defaults(minhash.options), { dir, memory: 1e8, seed: 1, task: 0 });
  for (const [i, item] of tasks[0]!.entries()) again(item, i);
  assert.throws(() => again(document("d", "more"), 3), /made for other documents/);
  rmSync(dir, { recursive: true });
});
