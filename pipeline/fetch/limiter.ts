/**
 * How politely a run asks: at most N requests under way, and when the host or the line is in trouble everybody waits,
 * longer each time, and then one request goes ahead alone. Knows nothing of HTTP; time comes from a clock that tests
 * replace. Common Crawl's operators ask for no more than one retry a second and a slow-down on every 4xx and 5xx
 * (their 503 is back-pressure of the store behind it and hits all users at once).
 */
import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "../../lib/errors.ts";
import { randomOf } from "../../lib/random.ts";

/** Milliseconds since 1970, and waiting; `sleep` rejects when the signal is aborted. */
export type Clock = {
  now(): number;
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
};

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (milliseconds, signal) => {
    await delay(milliseconds, undefined, { signal });
  },
};

/** What one try of a request came to. Faults of our own (a full disk) are thrown instead. */
export type Attempt<T> =
  | { readonly kind: "done"; readonly value: T }
  | {
      readonly kind: "again";
      /** Finishes the sentence "gave up on X: …". */
      readonly why: string;
      /** Milliseconds the host asked for in Retry-After, or null. */
      readonly after: number | null;
      /** Whether anything answered at all. */
      readonly answered: boolean;
      /** What there is to do before the next try; others may go ahead meanwhile. */
      readonly settle?: (() => Promise<void>) | undefined;
    }
  /** No request may follow. */
  | { readonly kind: "stop"; readonly error: Error };

export type Waiting = { readonly why: string; readonly milliseconds: number };

export type LimiterOptions = {
  readonly concurrent: number;
  /** Tries after the first, for a request that makes no progress. */
  readonly retries: number;
  readonly seed: number;
  readonly clock?: Clock | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told when everybody has to wait, and with null when it goes on. */
  readonly onWait?: ((waiting: Waiting | null) => void) | undefined;
};

export type Limiter = {
  /** Aborted when the run is stopped or no request may follow. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /**
   * Calls `attempt` until it is done. `good()` says that it is getting somewhere: its tries are counted anew and the
   * others may go on. Rejects with the error of a stop, or after too many tries with an Error that names `what`.
   */
  run<T>(what: string, attempt: (good: () => void) => Promise<Attempt<T>>): Promise<T>;
  /** Ends everything under way and everything that waits. */
  stop(error: Error): void;
};

/** First wait and longest wait, milliseconds; each is lengthened by up to half at random. */
export const backoff = { first: 1000, longest: 300_000 } as const;
/** A host that asks for a longer pause than this is obeyed by ending the run. */
export const longestPause = 3_600_000;
/** Retries while nothing has ever answered: the address is more likely wrong than the host busy. */
export const firstRetries = 2;

export function createLimiter(options: LimiterOptions): Limiter {
  const { concurrent, retries, seed, clock = systemClock, onWait = () => {} } = options;
  const own = new AbortController();
  const signal = options.signal ? AbortSignal.any([own.signal, options.signal]) : own.signal;
  let active = 0;
  /** How often in a row it had to wait; 0 is plain sailing. */
  let level = 0;
  let resumeAt = 0;
  let pauses = 0;
  let reached = false;
  let waiters: (() => void)[] = [];
  const wakeAll = () => {
    const woken = waiters;
    waiters = [];
    for (const wake of woken) wake();
  };
  signal.addEventListener("abort", wakeAll, { once: true });

  const enter = async () => {
    for (;;) {
      signal.throwIfAborted();
      const wait = resumeAt - clock.now();
      if (wait > 0)
        await clock.sleep(wait, signal).catch(error => {
          throw signal.aborted ? signal.reason : error;
        });
      else if (active < (level > 0 ? 1 : concurrent)) break;
      else await new Promise<void>(wake => waiters.push(wake));
    }
    active++;
    if (resumeAt > 0) {
      resumeAt = 0;
      onWait(null);
    }
  };
  const leave = () => {
    active--;
    wakeAll();
  };
  const calm = () => {
    if (level === 0) return;
    level = 0;
    wakeAll();
  };
  /** Everybody waits. Requests that were under way when a pause began are no reason for a longer one. */
  const pause = (pausesBefore: number, tries: number, after: number | null, why: string) => {
    if (level === 0 || pausesBefore === pauses) level++;
    const step = Math.min(backoff.longest, backoff.first * 2 ** (Math.max(level, tries) - 1));
    const wait = Math.max(after ?? step, backoff.first) * (1 + randomOf(seed, `pause ${pauses++}`) / 2);
    const until = clock.now() + wait;
    if (until <= resumeAt) return;
    resumeAt = until;
    onWait({ why, milliseconds: wait });
  };
  const stop = (error: Error) => own.abort(error);

  const run = async <T>(what: string, attempt: (good: () => void) => Promise<Attempt<T>>): Promise<T> => {
    let tries = 0;
    let all = 0;
    const good = () => {
      tries = 0;
      reached = true;
      calm();
    };
    for (;;) {
      await enter();
      const pausesBefore = pauses;
      let result: Attempt<T>;
      try {
        result = await attempt(good);
      } finally {
        leave();
      }
      if (result.kind === "done") {
        good();
        return result.value;
      }
      signal.throwIfAborted();
      if (result.kind === "stop") {
        stop(result.error);
        throw result.error;
      }
      reached ||= result.answered;
      tries++;
      all++;
      if (tries > (reached ? retries : Math.min(retries, firstRetries))) {
        throw new Error(`gave up on ${what} after ${all} ${all === 1 ? "try" : "tries"}: ${result.why}`);
      }
      if (result.after !== null && result.after > longestPause) {
        const error = tooLong(what, result.after);
        stop(error);
        throw error;
      }
      pause(pausesBefore, tries, result.after, result.why);
      await result.settle?.();
    }
  };
  return { signal, clock, run, stop };
}

function tooLong(what: string, after: number): UserError {
  return new UserError(
    `${what}: the host asks us to stay away for ${(after / 3_600_000).toFixed(1)} hours`,
    "Run the same command after that time; what was downloaded is kept.",
  );
}

/**
 * Works through `items`, `lanes` of them at a time, results in their order. The first failure stops every request of
 * the limiter and is thrown once all have ended.
 */
export async function forAll<T, R>(
  limiter: Limiter,
  lanes: number,
  items: readonly T[],
  act: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let failed = false;
  let next = 0;
  const lane = async () => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await act(items[index]!, index);
      } catch (error) {
        failed = true;
        limiter.stop(error as Error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
  if (failed) throw limiter.signal.reason;
  return results;
}
