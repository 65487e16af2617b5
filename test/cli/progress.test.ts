/** The progress line: what is waited for is shown while it is waited for. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { openProgress } from "../../cli/progress.ts";

test("a reason to wait is shown though nothing else happens, and not once the wait is over", t => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1e12 });
  const stream = new PassThrough();
  const lines = () =>
    String(stream.read() ?? "")
      .split("\n")
      .slice(0, -1);
  const meter = openProgress(stream as unknown as NodeJS.WriteStream).start("fetch", { bytes: 100 });
  meter.add({ bytes: 10, note: "the answer was 503: waiting 20 s" });
  assert.deepEqual(lines(), []);
  t.mock.timers.tick(5000);
  assert.match(lines().join(), /^fetch .* 10 % .*the answer was 503: waiting 20 s/);
  meter.add({ note: "" });
  meter.add({ note: "the answer was 503: waiting 2 s" });
  meter.add({ note: "" });
  t.mock.timers.tick(60_000);
  assert.deepEqual(lines(), []);
  meter.add({ note: "again" });
  assert.match(lines().join(), / again /);
  meter.add({ note: "once more" });
  meter.end("done");
  t.mock.timers.tick(60_000);
  assert.deepEqual(lines(), ["done"]);
});
