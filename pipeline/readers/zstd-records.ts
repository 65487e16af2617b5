/**
 * Records of a .warc.zst, one frame a record as the format asks, or several in one. A frame is held
 * whole, or passed over where it is too long. Damage costs
 * what lies before the next frame. Files with a dictionary are refused: the decoder has no place for one.
 */
import { UserError } from "../../lib/errors.ts";
import type { Assembler, RecordEvent } from "./assemble.ts";
import type { Window } from "./window.ts";
import { inflateFrame, skipFrame, zstdFrame } from "./zstd.ts";

const frameMagic = "\x28\xb5\x2f\xfd";

export async function* zstdRecords(
  window: Window,
  assembler: Assembler,
  file: string,
  maxOutput: number,
): AsyncGenerator<RecordEvent> {
  for (;;) {
    if (window.bytes.length === 0) {
      if (window.ended) break;
      await window.fill();
      continue;
    }
    const { bytes, offset } = window;
    const frame = zstdFrame(bytes);
    if (frame === "cut" && !window.ended && bytes.length <= maxOutput) {
      const wanted = Math.max(4096, bytes.length * 2);
      while (!window.ended && window.bytes.length < wanted) await window.fill();
      continue;
    }
    if (frame === "cut") {
      yield* assembler.cutOff("the zstd frame that follows cannot be read");
      const whole = !window.ended && (await skipFrame(window));
      if (window.ended && !whole) window.skip(window.bytes.length);
      const at = { file, offset, length: window.offset - offset };
      yield whole
        ? { kind: "failure", code: "too-large", message: `a zstd frame of ${at.length} bytes`, at }
        : { kind: "failure", code: "truncated", message: "the input ends within a zstd frame", at };
      continue;
    }
    if (frame?.kind === "dictionary")
      throw new UserError(
        `${file} is compressed with zstd and a dictionary, which is not read`,
        "Decompress it with the zstd program, or recompress it with gzip, one member a record.",
      );
    if (frame?.kind === "skippable") {
      yield { kind: "skip", type: "skippable-frame" };
      window.skip(frame.length);
      continue;
    }
    const data = frame ? inflateFrame(bytes, frame, maxOutput) : null;
    if (data === null) {
      yield* skipToFrame(window, assembler, file);
      continue;
    }
    const { length } = frame!;
    if (data === "too-large") {
      yield* assembler.cutOff("the zstd frame that follows is too large");
      const message = `a zstd frame that inflates to more than ${maxOutput} bytes`;
      yield { kind: "failure", code: "too-large", message, at: { file, offset, length } };
    } else {
      yield* assembler.add({
        bytes: data,
        place: { kind: "member", offset, length },
        last: true,
        borrowed: false,
      });
    }
    window.skip(length);
  }
  yield* assembler.finish(false);
}

async function* skipToFrame(window: Window, assembler: Assembler, file: string): AsyncGenerator<RecordEvent> {
  const { offset } = window;
  for (let from = 1; ; from = 0) {
    const found = window.bytes.indexOf(frameMagic, from, "latin1");
    window.skip(
      found >= 0 ? found : window.ended ? window.bytes.length : Math.max(from, window.bytes.length - 3),
    );
    if (found >= 0 || window.ended) break;
    await window.fill();
  }
  yield* assembler.cutOff("damaged bytes follow");
  const length = window.offset - offset;
  const message = `a damaged zstd frame; ${length} bytes skipped`;
  yield { kind: "failure", code: "bad-zstd", message, at: { file, offset, length } };
}
