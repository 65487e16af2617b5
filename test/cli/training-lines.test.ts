/** What a training run shows fits a terminal of 80 columns and says what is unusual. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, fill } from "../../cli/terminal.ts";
import { scaled, stepHeader, stepLines } from "../../cli/training-lines.ts";

const metrics = {
  ...{ step: 20, tokens: 20480, loss: 7.1408, lr: 1.46e-3, gradNorm: 1.147, tokensPerSecond: 2594.3 },
  ...{ mfu: 0.519, ms: 394.7 },
};

test("a step is a row under its header, with loss, norm, rate, time, speed, MFU and the time left", () => {
  const [line] = stepLines(metrics, 600, 272);
  assert.equal(stepHeader(600), "   step     loss    norm       lr      ms  tokens/s     MFU  time left");
  assert.equal(line, " 20/600   7.1408   1.147  1.46e-3     395     2,594  51.9 %  4 min 32 s");
});

test("rows of any run stay within 80 columns", () => {
  const long = {
    ...metrics,
    step: 99_999,
    loss: 11.2345,
    gradNorm: 123456,
    ms: 123_456,
    tokensPerSecond: 987_654,
  };
  for (const steps of [1, 600, 100_000])
    for (const line of [stepHeader(steps), ...stepLines({ ...long, step: steps }, steps, 59 * 60 + 59)])
      assert.ok(line.length <= 80, `${line.length}: ${line}`);
});

test("a validation and what stands out have lines of their own", () => {
  const lines = stepLines(
    { ...metrics, valLoss: 5.6263, valBitsPerByte: 2.0307, outliers: { loss: 6.2, gradNorm: 9.1 } },
    600,
    1,
  );
  assert.deepEqual(lines.slice(1), [
    "  unusual loss: 6.2 deviations above the steps before",
    "  unusual gradient norm: 9.1 deviations above the steps before",
    "  validation loss 5.6263, 2.031 bits a byte",
  ]);
});

test("an MFU that was not measured is a dash", () => {
  assert.match(stepLines({ ...metrics, mfu: null }, 600, 1)[0]!, / {5}– {2}1\.0 s$/);
});

test("long texts break between words, operations have units, and a minute has sixty seconds", () => {
  assert.deepEqual(fill(["one", "two", "three", "four"], 9), [["one", "two"], ["three"], ["four"]]);
  assert.deepEqual(fill(["incomprehensible", "word"], 5), [["incomprehensible"], ["word"]]);
  assert.deepEqual([999, 8.3e6, 1.234e12].map(scaled), ["999", "8.3 M", "1.23 T"]);
  assert.equal(duration(299.7), "5 min 0 s");
  assert.equal(duration(3599.7), "1 h 0 min");
});
