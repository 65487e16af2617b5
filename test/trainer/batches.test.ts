/** Batches: every token of every epoch once and in a row, resumable at any window, and the fixed validation tokens. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../lib/errors.ts";
import {
  type Cursor,
  ignoredTarget,
  start,
  streamBatches,
  validationBatches,
} from "../../trainer/batches.ts";
import { shardsOf, vocabulary } from "./toy.ts";

const { eot } = vocabulary;

/** Shards whose tokens tell where they come from: document d of the corpus is d, d+1, … modulo 24. */
const corpus = (lengths: readonly (readonly number[])[]) =>
  shardsOf(lengths.map(file => file.map((length, d) => Array.from({ length }, (_, i) => (d * 5 + i) % 24))));

const lengths = fc.array(fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 3,
});

describe("training batches", () => {
  test("hold every token of an epoch exactly once, whole documents in a row, and go on into the next epoch", () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 33 }), fc.integer(), (lengths, context, seed) => {
        const shards = corpus(lengths);
        fc.pre(shards.tokens >= 2);
        const windows = Math.ceil((3 * shards.tokens) / context);
        const stream = streamBatches(shards, context, seed, start);
        const tokens: number[] = [];
        let lastTarget: number | undefined;
        for (let i = 0; i < windows; i++) {
          const { inputs, targets } = stream.next(1);
          assert.deepEqual(
            targets.subarray(0, context - 1),
            inputs.subarray(1),
            "targets are the inputs moved by one",
          );
          if (tokens.length > 0) assert.equal(lastTarget, inputs[0], "windows share one token");
          lastTarget = targets[context - 1];
          tokens.push(...inputs);
        }
        const texts = lengths.flatMap((file, f) =>
          file.map((_, d) => {
            const { tokens, starts } = shards.shard(f);
            return tokens.slice(starts[d]!, starts[d + 1]!).join();
          }),
        );
        for (let epoch = 0; epoch < 2; epoch++) {
          const part = tokens.slice(epoch * shards.tokens, (epoch + 1) * shards.tokens);
          const found: string[] = [];
          let from = 0;
          for (const [i, token] of part.entries()) {
            if (token !== eot) continue;
            found.push(part.slice(from, i + 1).join());
            from = i + 1;
          }
          assert.deepEqual(found.sort(), [...texts].sort());
        }
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  test("are the same from a cursor on as without a stop", () => {
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 9 }),
        (lengths, context, skip) => {
          const shards = corpus(lengths);
          fc.pre(shards.tokens >= 2);
          const one = streamBatches(shards, context, 7, start);
          for (let i = 0; i < skip; i++) one.next(2);
          const cursor = JSON.parse(JSON.stringify(one.cursor())) as Cursor;
          const two = streamBatches(shards, context, 7, cursor);
          for (let i = 0; i < 5; i++) assert.deepEqual(two.next(3), one.next(3));
        },
      ),
      { numRuns: 200, seed: 2 },
    );
  });

  test("depend on the seed, and an epoch's order on the epoch", () => {
    const shards = corpus([Array.from({ length: 50 }, (_, i) => i % 7)]);
    const epoch = (seed: number, skip: number) => {
      const stream = streamBatches(shards, shards.tokens, seed, start);
      for (let i = 0; i < skip; i++) stream.next(1);
      return stream.next(1).inputs;
    };
    assert.deepEqual(epoch(1, 0), epoch(1, 0));
    assert.notDeepEqual(epoch(1, 0), epoch(2, 0));
    assert.notDeepEqual(epoch(1, 0), epoch(1, 1));
  });

  test("work where the corpus is smaller than one window", () => {
    const { inputs } = streamBatches(shardsOf([[[1, 2]]]), 8, 1, start).next(1);
    assert.deepEqual([...inputs], [1, 2, eot, 1, 2, eot, 1, 2]);
  });

  test("refuse an empty corpus", () => {
    assert.throws(
      () => streamBatches(shardsOf([[[]]]), 8, 1, start),
      (error: unknown) => error instanceof UserError && /at least 2 tokens, got 1/.test(error.message),
    );
  });
});

describe("validation batches", () => {
  test("are the first tokens in file order, every one a target once, the rest ignored", () => {
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 300 }),
        (lengths, context, rows, wanted) => {
          const shards = corpus(lengths);
          const stream = lengths.flatMap((_, f) => [...shards.shard(f).tokens]);
          const targets: number[] = [];
          const inputs: number[] = [];
          for (const batch of validationBatches(shards, context, rows, wanted)) {
            assert.equal(batch.inputs.length, rows * context);
            for (const [i, target] of batch.targets.entries()) {
              if (target === ignoredTarget) continue;
              targets.push(target);
              inputs.push(batch.inputs[i]!);
            }
          }
          const count = Math.max(0, Math.min(wanted, stream.length - 1));
          assert.deepEqual(targets, stream.slice(1, count + 1));
          assert.deepEqual(inputs, stream.slice(0, count));
        },
      ),
      { numRuns: 200, seed: 3 },
    );
  });
});
