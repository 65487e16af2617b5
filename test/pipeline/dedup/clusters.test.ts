/** The parts under MinHash: union-find without recursion, the same components by sorting on disk, external sort, merge levels, runs. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { random } from "../../../lib/random.ts";
import type { CorpusStage } from "../../../pipeline/corpus-stage.ts";
import { createKeys, type KeysTrailer, keyRecordWords } from "../../../pipeline/dedup/band-keys.ts";
import {
  createChecked,
  openChecked,
  readRecords,
  readTrailer,
} from "../../../pipeline/dedup/checked-file.ts";
import {
  clustersInMemory,
  clustersOnDisk,
  type Keep,
  keepPolicies,
} from "../../../pipeline/dedup/clusters.ts";
import { contract } from "../../../pipeline/dedup/contraction.ts";
import { disjointSets, rankedSet } from "../../../pipeline/dedup/disjoint-sets.ts";
import { tasksOf } from "../../../pipeline/dedup/earlier.ts";
import { createSorter, sortRecords } from "../../../pipeline/dedup/external-sort.ts";
import { lookUpFacts } from "../../../pipeline/dedup/facts.ts";
import { mergeRuns, type Run } from "../../../pipeline/dedup/merge.ts";
import { minhash as minhashStage } from "../../../pipeline/dedup/minhash.ts";
import { collectedPath } from "../../../pipeline/dedup/paths.ts";
import { collectAndCluster, document, madeText, temporary } from "./corpus.ts";

test("a chain of a million unions needs no stack, and the root is the smallest member", () => {
  const n = 1_000_000;
  const sets = disjointSets(n);
  for (let i = n - 1; i > 0; i--) sets.union(i, i - 1);
  assert.equal(sets.find(n - 1), 0);
  const more = disjointSets(10);
  more.union(7, 5);
  more.union(9, 7);
  assert.deepEqual([5, 7, 9, 6].map(more.find), [5, 5, 5, 6]);
});

test("a ranked set numbers its members in ascending order", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5000 })), members => {
      const set = rankedSet(5001);
      for (const member of members) set.add(member);
      const sorted = [...new Set(members)].sort((a, b) => a - b);
      assert.equal(set.seal(), sorted.length);
      sorted.forEach((member, i) => {
        assert.equal(set.rank(member), i);
      });
      for (let x = 0; x < 100; x++) assert.equal(set.has(x), sorted.includes(x));
    }),
    { seed: 5, numRuns: 50 },
  );
});

test("contraction on disk finds the components that union-find finds, chains and stars and hairballs", () => {
  const dir = temporary();
  const temp = (n: number) => join(dir, `t${n}.tmp`);
  const next = random(3);
  const shapes: [number, number][][] = [
    [],
    Array.from({ length: 300 }, (_, i) => [i, i + 1]),
    Array.from({ length: 300 }, (_, i) => [(i * 211) % 301, ((i + 1) * 211) % 301]),
    Array.from({ length: 300 }, (_, i) => [0, i + 1]),
    Array.from({ length: 400 }, () => [next.below(300), next.below(300)]),
  ];
  for (const edges of shapes) {
    const sets = disjointSets(1000);
    for (const [a, b] of edges) sets.union(a, b);
    const expected = [...new Set(edges.flat())].filter(x => sets.find(x) !== x).map(x => [x, sets.find(x)]);
    const { stars } = contract(
      emit => {
        // Numbers spread over tasks of 100 documents.
        for (const [a, b] of edges) emit(Math.floor(a / 100), a % 100, Math.floor(b / 100), b % 100);
      },
      20_000,
      temp,
    );
    const found: number[][] = [];
    stars((task, item, rootTask, root) => found.push([task * 100 + item, rootTask * 100 + root]));
    assert.deepEqual(
      found,
      expected.sort((a, b) => a[0]! - b[0]!),
    );
  }
  assert.deepEqual(readdirSync(dir), [], "no temporary file is left");
  rmSync(dir, { recursive: true });
});

test("clusters in memory and on disk are the same, with the same document kept", async () => {
  const dir = temporary();
  const stage = minhashStage as unknown as CorpusStage;
  const next = random(12);
  const tasks = Array.from({ length: 7 }, (_, t) =>
    Array.from({ length: 40 }, (_, i) =>
      document(
        `${(i * 37 + t * 11) % 997}-${t}-${i}`,
        madeText(next.below(60), 20 + next.below(2)),
        `2024-01-${10 + next.below(9)}`,
      ),
    ),
  );
  await collectAndCluster({ stage, tasks }, dir);
  const counts = tasks.map(task => task.length);
  for (const keep of keepPolicies as readonly Keep[]) {
    const own = tasksOf(dir, tasks.length, [], {}, false);
    const lookup = lookUpFacts(own.places);
    const corpus = { dir, tasks: own, buckets: 14, counts, keep, lookup };
    const list = (members: (visit: (...member: number[]) => void) => void) => {
      const all: number[][] = [];
      members((...member) => all.push(member));
      return all;
    };
    const inMemory = list(clustersInMemory(corpus, 1e8)!);
    assert.ok(inMemory.length > 100);
    assert.deepEqual(list(clustersOnDisk(corpus, 30_000)), inMemory, keep);
    assert.equal(clustersInMemory(corpus, 1000), null, "too little memory is noticed");
    lookup.close();
  }
  assert.deepEqual(
    readdirSync(join(dir, "clusters")).filter(name => name.endsWith(".tmp")),
    [],
  );
  rmSync(dir, { recursive: true });
});

test("external sort: any number of runs, in order, each record once", () => {
  const dir = temporary();
  const record = fc.tuple(fc.nat(3), fc.integer({ min: 0, max: 0xffffffff }), fc.nat(2));
  fc.assert(
    fc.property(fc.array(record, { maxLength: 300 }), records => {
      const sorter = createSorter(3, 64 * 24, n => join(dir, `${n}.tmp`));
      for (const item of records) sorter.add(...item);
      const drained: string[] = [];
      sorter.drain(item => drained.push(item.join(" ")));
      const expected = [...new Map(records.map(item => [item.join(" "), item])).values()]
        .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2])
        .map(item => item.join(" "));
      assert.deepEqual(drained, expected);
    }),
    { seed: 8, numRuns: 60 },
  );
  assert.deepEqual(readdirSync(dir), []);
  rmSync(dir, { recursive: true });
  const data = Uint32Array.from([3, 1, 2, 9, 2, 1]);
  sortRecords(data, 2, 3);
  assert.deepEqual([...data], [2, 1, 2, 9, 3, 1]);
});

test("a merge of more runs than may be open goes in levels, gives the same and leaves no file", () => {
  const dir = temporary();
  const next = random(4);
  const runs: Run[] = Array.from({ length: 23 }, (_, i) => {
    const path = join(dir, `${i}.run`);
    const file = createChecked<null>(path);
    const values = Uint32Array.from({ length: next.below(40) }, () => next.below(50)).sort();
    file.write(new Uint8Array(Uint32Array.from([...values].flatMap(value => [value, i])).buffer));
    const section = file.endSection();
    file.commit(null);
    return { path, section, words: 2, insert: { word: 1, before: 1 } };
  });
  const merged = (fanIn: number) => {
    const all: number[][] = [];
    mergeRuns(runs, 3, { fanIn, memory: 1 << 16, temporary: n => join(dir, `${n}.tmp`) }, item =>
      all.push([...item]),
    );
    return all;
  };
  const expected = merged(100);
  assert.ok(expected.every((item, i) => i === 0 || item[0]! >= expected[i - 1]![0]!));
  assert.ok(expected.every(item => item[1] === 1));
  for (const fanIn of [2, 3, 8]) assert.deepEqual(merged(fanIn), expected);
  assert.equal(readdirSync(dir).length, 23);
  rmSync(dir, { recursive: true });
});

test("keys beyond memory become several sorted runs in one file", () => {
  const dir = temporary();
  const buckets = 2;
  const keys = createKeys(dir, 0, buckets, 1);
  const next = random(6);
  const n = 2500;
  for (let i = 0; i < n; i++)
    keys.add(
      i,
      Uint32Array.from({ length: buckets * 3 }, (_, k) => (k % 3 === 0 ? next.below(20) : next.below(3))),
    );
  keys.commit(n);
  const path = collectedPath(dir, 0, "keys");
  const { runs, documents } = readTrailer<KeysTrailer>(path);
  assert.equal(documents, n);
  assert.equal(runs.length, 3);
  const file = openChecked<KeysTrailer>(path);
  const seen = new Set<number>();
  for (const [bucket] of runs) {
    const records = readRecords(file, bucket!, keyRecordWords, 1024);
    let last = [-1, 0, 0, 0];
    while (records.next()) {
      const item = [...records.data.subarray(records.at, records.at + keyRecordWords)];
      const order = item.map((word, k) => word - last[k]!).find(difference => difference !== 0) ?? 0;
      assert.ok(order > 0, `${last.join(" ")} before ${item.join(" ")}`);
      last = item;
      seen.add(item[3]!);
    }
  }
  assert.equal(seen.size, n);
  file.close();
  assert.ok(existsSync(path));
  rmSync(dir, { recursive: true });
});
