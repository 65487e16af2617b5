/**
 * The inflater in WebAssembly against zlib: the same bytes, the same length, the same answer for whatever is cut, damaged or
 * too large; and that it does the work itself where nothing is wrong, since zlib would otherwise hide what it cannot do.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, deflateRawSync } from "node:zlib";
import { drawBlocks, drawContent, drawDeflated } from "../../../bench/fuzz/deflate.ts";
import { type Random, random } from "../../../lib/random.ts";
import { inflateByZlib, inflateMember } from "../../../pipeline/readers/gzip.ts";
import { inflater } from "../../../pipeline/readers/inflate.ts";

const absent = inflater() === null && process.env["CI"] !== "true";
const skip = absent ? "pipeline/wasm/inflate.wasm is not built (npm run build)" : false;
const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
const most = 1 << 22;

function member(deflated: Buffer, content: Buffer): Buffer {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, deflated, trailer]);
}

function sameAsZlib(bytes: Buffer, limit = most): ReturnType<typeof inflateByZlib> {
  const expected = inflateByZlib(bytes, 10, limit);
  const got = inflateMember(bytes, 10, limit);
  if (got.kind === "whole" && expected.kind === "whole") {
    assert.ok(got.data.equals(expected.data), "other bytes");
    assert.deepEqual({ ...got, data: null }, { ...expected, data: null });
  } else assert.deepEqual(got, expected);
  return got;
}

/** Without zlib behind it. */
function alone(deflated: Buffer): Buffer {
  const inflated = inflater()!(deflated, most);
  assert.ok(inflated?.kind === "whole", `expected a whole stream, got ${inflated?.kind}`);
  assert.equal(inflated.length, deflated.length);
  return Buffer.from(inflated.bytes);
}

function damaged(bytes: Buffer, draw: Random): Buffer {
  const changed = Buffer.from(bytes);
  for (let changes = 1 + draw.below(3); changes > 0 && changed.length > 0; changes--)
    changed[draw.below(changed.length)]! ^= 1 << draw.below(8);
  return draw.below(4) === 0 ? changed.subarray(0, draw.below(changed.length + 1)) : changed;
}

test("what zlib writes at every level, strategy, window and memory is inflated without it, to the same bytes", {
  skip,
}, () => {
  const draw = random(31);
  for (let i = 0; i < 300; i++) {
    const deflated = drawDeflated(draw, [10, 1000, 70_000, 300_000][i % 4]!);
    const content = alone(deflated);
    const got = sameAsZlib(member(deflated, content));
    assert.ok(got.kind === "whole" && got.intact);
    assert.equal(got.length, deflated.length + 18);
  }
});

test("random codes of up to 15 bits, one distance or none, stored blocks between: inflated without zlib, to the same bytes", {
  skip,
}, () => {
  const draw = random(32);
  let longCodes = 0;
  for (let i = 0; i < 500; i++) {
    const deflated = drawBlocks(draw, false);
    const got = sameAsZlib(member(deflated, alone(deflated)));
    assert.ok(got.kind === "whole" && got.intact);
    if (got.data.length > 0) longCodes++;
  }
  assert.ok(longCodes > 300);
});

test("codes and blocks that are wrong have zlib's answer", { skip }, () => {
  const draw = random(33);
  const kinds = new Map<string, number>();
  for (let i = 0; i < 1500; i++) {
    const { kind } = sameAsZlib(Buffer.concat([header, drawBlocks(draw, true), Buffer.alloc(8)]));
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  assert.ok(kinds.get("broken")! > 100 && kinds.get("whole")! > 100, JSON.stringify([...kinds]));
});

test("damage of any kind has zlib's answer", { skip }, () => {
  const draw = random(34);
  const kinds = new Map<string, number>();
  for (let i = 0; i < 3000; i++) {
    const deflated = i % 3 === 0 ? drawBlocks(draw, false) : drawDeflated(draw, [50, 2000, 40_000][i % 3]!);
    const { kind } = sameAsZlib(
      Buffer.concat([header, damaged(deflated, draw), Buffer.alloc(draw.below(30), 255)]),
    );
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  for (const kind of ["whole", "cut", "broken"]) assert.ok(kinds.get(kind)! > 20, JSON.stringify([...kinds]));
});

test("a member cut after any byte has zlib's answer: cut", { skip }, () => {
  const draw = random(35);
  for (let i = 0; i < 12; i++) {
    const deflated = i < 6 ? drawBlocks(draw, false).subarray(0, 600) : drawDeflated(draw, 3000);
    const whole = member(deflated, Buffer.alloc(0));
    for (let length = 10; length < whole.length; length++) {
      const { kind } = sameAsZlib(whole.subarray(0, length));
      assert.ok(kind === "cut", `${kind} after ${length} of ${whole.length} bytes`);
    }
  }
});

test("no byte more than the limit is given, and one byte below it is refused as too large", { skip }, () => {
  const draw = random(36);
  for (let i = 0; i < 200; i++) {
    const content = drawContent(draw, [300, 5000, 200_000][i % 3]!);
    if (content.length < 2) continue;
    const bytes = member(deflateRawSync(content, { level: draw.below(10) }), content);
    assert.equal(sameAsZlib(bytes, content.length).kind, "whole");
    assert.equal(sameAsZlib(bytes, content.length - 1).kind, "large");
    assert.equal(sameAsZlib(bytes, 1 + draw.below(content.length - 1)).kind, "large");
    assert.equal(inflater()!(bytes.subarray(10), content.length - 1), null);
  }
});

test("members larger than the inflater's memory go to zlib, whether compressed or raw", { skip }, () => {
  const zeros = Buffer.alloc(5 << 20);
  const noise = Buffer.alloc(3 << 19);
  const draw = random(37);
  for (let i = 0; i < noise.length; i += 4) noise.writeUInt32LE(draw.next(), i);
  for (const [content, deflated] of [zeros, noise].map(one => [one, deflateRawSync(one)] as const)) {
    assert.equal(inflater()!(deflated, 1 << 24), null);
    const got = sameAsZlib(member(deflated, content), 1 << 24);
    assert.ok(got.kind === "whole" && got.intact && got.data.equals(content));
  }
});

test("bytes behind a member change nothing, nor do those of members before it", { skip }, () => {
  const draw = random(38);
  for (let i = 0; i < 100; i++) {
    const content = drawContent(draw, 30_000);
    const bytes = member(deflateRawSync(content), content);
    const behind = Buffer.alloc(draw.below(100_000), draw.below(256));
    const got = sameAsZlib(Buffer.concat([bytes, behind]));
    assert.ok(got.kind === "whole" && got.intact && got.length === bytes.length && got.data.equals(content));
  }
});
