/** What the tests of fetching share: a clock that does not wait, generated files, folders that go away. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { UserError } from "../../../lib/errors.ts";
import { random } from "../../../lib/random.ts";
import { type Client, openClient } from "../../../pipeline/fetch/client.ts";
import type { Clock, Waiting } from "../../../pipeline/fetch/limiter.ts";
import { type CrawlSource, crawlOptions } from "../../../pipeline/fetch/options.ts";
import { type Host, startHost } from "./server.ts";

/** Only 127.0.0.1 is spoken to, and not through a proxy. */
for (const name of ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "CURATE_CC_BASE"])
  delete process.env[name];

/** Milliseconds without a byte after which the tests give a connection up. */
export const idle = 150;

export type FakeClock = Clock & { readonly waits: number[] };

/** Waiting takes no time and moves the clock; several who wait at once are woken in the order of their times. */
export function fakeClock(start = Date.UTC(2026, 0, 1)): FakeClock {
  let now = start;
  const waits: number[] = [];
  const sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  const tick = () => {
    const first = sleepers.sort((a, b) => a.at - b.at).shift();
    if (!first) return;
    now = Math.max(now, first.at);
    first.wake();
  };
  return {
    waits,
    now: () => now,
    sleep: (milliseconds, signal) =>
      new Promise((wake, reject) => {
        if (signal.aborted) return reject(signal.reason);
        waits.push(milliseconds);
        const stopped = () => reject(signal.reason);
        signal.addEventListener("abort", stopped, { once: true });
        const awake = () => {
          signal.removeEventListener("abort", stopped);
          wake();
        };
        sleepers.push({ at: now + milliseconds, wake: awake });
        setTimeout(tick, 1);
      }),
  };
}

/** Random bytes in a gzip file: about `bytes` long. */
export function noise(seed: number, bytes: number): Buffer {
  const stream = random(seed);
  return gzipSync(Buffer.from(Array.from({ length: bytes }, () => stream.next() & 255)), { level: 0 });
}

export async function host(
  t: TestContext,
  files: ReadonlyMap<string, Buffer>,
  folder?: string,
): Promise<Host> {
  const started = await startHost(files, folder);
  t.after(() => started.close());
  return started;
}

export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "curate-fetch-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export type Given = {
  readonly clock: FakeClock;
  readonly waited: (Waiting | null)[];
  readonly client: Client;
};

export function client(
  t: TestContext,
  options: { readonly concurrent?: number; readonly retries?: number; readonly signal?: AbortSignal } = {},
): Given {
  const clock = fakeClock();
  const waited: (Waiting | null)[] = [];
  const opened = openClient({
    concurrent: 2,
    retries: 5,
    ...options,
    seed: 7,
    clock,
    idle,
    version: "0.0.0",
    contact: "tester@example.org",
    onWait: waiting => waited.push(waiting),
  });
  t.after(() => opened.close());
  return { clock, waited, client: opened };
}

export function crawlSource(values: Partial<CrawlSource>): CrawlSource {
  const defaults = Object.fromEntries(Object.entries(crawlOptions).map(([name, o]) => [name, o.default]));
  return { ...defaults, commoncrawl: "CC-TEST-1", ...values } as CrawlSource;
}

/** The message of the error a promise ends in; `user` says of which kind it has to be. */
export async function failure(promise: Promise<unknown>, user: boolean): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.equal(error instanceof UserError, user, `${(error as Error).stack}`);
    return (error as Error).message;
  }
  assert.fail("expected an error");
}
