/** The limiter on a clock that does not wait: how many at a time, how long a pause, when it ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { UserError } from "../../../lib/errors.ts";
import { retryAfter } from "../../../pipeline/fetch/client.ts";
import {
  type Attempt,
  backoff,
  createLimiter,
  firstRetries,
  forAll,
  type Limiter,
} from "../../../pipeline/fetch/limiter.ts";
import { type FakeClock, failure, fakeClock } from "./setting.ts";

const again = (after: number | null = null, answered = true): Attempt<never> => ({
  kind: "again",
  why: "503",
  after,
  answered,
});
const done: Attempt<string> = { kind: "done", value: "here" };

function limiterOf(
  options: { concurrent?: number; retries?: number; seed?: number; signal?: AbortSignal } = {},
): {
  limiter: Limiter;
  clock: FakeClock;
} {
  const clock = fakeClock();
  return { clock, limiter: createLimiter({ concurrent: 3, retries: 6, seed: 1, clock, ...options }) };
}

/** An attempt that fails so often, then is done. */
function failing(times: number, result: Attempt<never> = again()): () => Promise<Attempt<string>> {
  let left = times;
  return async () => (left-- > 0 ? result : done);
}

test("no more requests are under way than allowed, and all are made", async () => {
  const { limiter } = limiterOf();
  let [active, most] = [0, 0];
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      limiter.run(`${i}`, async () => {
        most = Math.max(most, ++active);
        await turn();
        active--;
        return { kind: "done", value: i };
      }),
    ),
  );
  assert.equal(most, 3);
  assert.deepEqual(
    results,
    Array.from({ length: 20 }, (_, i) => i),
  );
});

test("pauses double from one second, are lengthened by less than half, and depend on the seed alone", async () => {
  const waits = async (seed: number) => {
    const { limiter, clock } = limiterOf({ seed });
    assert.equal(await limiter.run("x", failing(6)), "here");
    return clock.waits;
  };
  const first = await waits(1);
  assert.equal(first.length, 6);
  for (const [i, wait] of first.entries()) {
    const step = backoff.first * 2 ** i;
    assert.ok(wait >= step && wait < 1.5 * step, `wait ${i} is ${wait} ms`);
  }
  assert.deepEqual(await waits(1), first);
  assert.notDeepEqual(await waits(2), first);
});

test("a pause never grows beyond the longest", async () => {
  const { limiter, clock } = limiterOf({ retries: 40 });
  await limiter.run("x", failing(40));
  assert.ok(clock.waits.every(wait => wait < 1.5 * backoff.longest));
  assert.ok(clock.waits.at(-1)! >= backoff.longest);
});

test("what the host asks for in Retry-After is waited for, though never under a second", async () => {
  const { limiter, clock } = limiterOf();
  await limiter.run("x", failing(1, again(40_000)));
  await limiter.run("y", failing(1, again(0)));
  assert.ok(clock.waits[0]! >= 40_000 && clock.waits[0]! < 60_000);
  assert.ok(clock.waits[1]! >= 1000 && clock.waits[1]! < 1500);
});

test("a host that asks for more than an hour ends the run, with the time it named", async () => {
  const { limiter, clock } = limiterOf();
  const message = await failure(limiter.run("x", failing(1, again(9_000_000))), true);
  assert.match(message, /stay away for 2\.5 hours/);
  assert.deepEqual(clock.waits, []);
  assert.ok(limiter.signal.aborted);
});

test("when one is turned away all wait, and one goes ahead alone until it gets somewhere", async () => {
  const { limiter, clock } = limiterOf({ concurrent: 3 });
  const starts: { name: string; at: number }[] = [];
  const begin = clock.now();
  let [active, mostAfter] = [0, 0];
  let healed = false;
  const work = (name: string, fails: number) => {
    let left = fails;
    return limiter.run(name, async good => {
      starts.push({ name, at: clock.now() - begin });
      active++;
      if (clock.now() > begin && !healed) mostAfter = Math.max(mostAfter, active);
      await turn();
      active--;
      if (left-- > 0) return again();
      if (clock.now() > begin) {
        good();
        healed = true;
      }
      return done;
    });
  };
  await Promise.all([work("a", 1), work("b", 1), work("c", 1), work("d", 0)]);
  const first = starts.filter(({ at }) => at === 0);
  assert.equal(first.length, 3);
  for (const { at } of starts.slice(3)) assert.ok(at >= 1000, `the next began after ${at} ms`);
  assert.equal(mostAfter, 1);
});

test("three turned away in the same moment count as one reason to slow down", async () => {
  const { limiter, clock } = limiterOf({ concurrent: 3 });
  await Promise.all(["a", "b", "c"].map(name => limiter.run(name, failing(1))));
  assert.ok(
    clock.waits.every(wait => wait < 1500),
    `${clock.waits}`,
  );
});

test("after too many tries it gives up, with the reason and their number", async () => {
  const { limiter } = limiterOf({ retries: 3 });
  const message = await failure(limiter.run("https://host/x", failing(99)), false);
  assert.equal(message, "gave up on https://host/x after 4 tries: 503");
});

test("tries are counted anew when there was progress", async () => {
  const { limiter } = limiterOf({ retries: 2 });
  let calls = 0;
  const result = await limiter.run("x", async good => {
    good();
    return calls++ < 10 ? again() : done;
  });
  assert.equal(result, "here");
  assert.equal(calls, 11);
});

test("where nothing has ever answered, it gives up early", async () => {
  const { limiter } = limiterOf({ retries: 50 });
  const message = await failure(limiter.run("x", failing(99, again(null, false))), false);
  assert.match(message, new RegExp(`after ${firstRetries + 1} tries`));
});

test("a stop ends what is under way and what waits, with its own error", async () => {
  const { limiter } = limiterOf({ concurrent: 2 });
  const refused = new UserError("refused");
  const slow = limiter.run(
    "slow",
    () =>
      new Promise((_, reject) => {
        limiter.signal.addEventListener("abort", () => reject(limiter.signal.reason));
      }),
  );
  const waiting = Array.from({ length: 4 }, (_, i) => limiter.run(`${i}`, async () => done));
  const blocked = limiter.run("blocked", async () => ({ kind: "stop", error: refused }));
  const results = await Promise.allSettled([
    slow,
    blocked,
    ...waiting,
    limiter.run("late", async () => done),
  ]);
  const reasons = results.flatMap(result => (result.status === "rejected" ? [result.reason] : []));
  assert.ok(reasons.length >= 2);
  assert.ok(reasons.every(reason => reason === refused));
});

test("stopping the run from outside wakes those who wait", async () => {
  const stop = new AbortController();
  const clock = { now: () => 0, sleep: fakeClock().sleep };
  const limiter = createLimiter({ concurrent: 1, retries: 9, seed: 1, clock, signal: stop.signal });
  const hopeless = limiter.run("x", failing(99));
  setTimeout(() => stop.abort(new Error("stopped")), 5);
  assert.equal(await failure(hopeless, false), "stopped");
});

test("forAll gives results in order, and on a failure the first error once all have ended", async () => {
  const { limiter } = limiterOf();
  assert.deepEqual(await forAll(limiter, 2, [3, 1, 2], async n => n * 10), [30, 10, 20]);
  let ended = 0;
  const work = forAll(limiter, 3, [0, 1, 2, 3, 4], async n => {
    await turn();
    if (n === 1) throw new Error("one");
    await turn();
    ended++;
    return n;
  });
  assert.equal(await failure(work, false), "one");
  assert.equal(ended, 2);
});

test("Retry-After is seconds or a date", () => {
  const now = Date.UTC(2026, 0, 1, 12, 0, 0);
  assert.equal(retryAfter("120", now), 120_000);
  assert.equal(retryAfter(" 0 ", now), 0);
  assert.equal(retryAfter("Thu, 01 Jan 2026 12:01:30 GMT", now), 90_000);
  assert.equal(retryAfter("Thu, 01 Jan 2026 11:00:00 GMT", now), 0);
  for (const nonsense of ["", "soon", "-5", "1e9", undefined]) assert.equal(retryAfter(nonsense, now), null);
});
