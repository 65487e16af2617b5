/**
 * The run's newest model, opened when first asked for and again when a newer checkpoint is there. One request at a
 * time computes: the device has one queue, and two samples at once would each take twice as long.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Device } from "../../kernels/device.ts";
import { UserError } from "../../lib/errors.ts";
import { createDecoder, type Decoder } from "../../tokenizer/decoder.ts";
import { createEncoder, type Encoder } from "../../tokenizer/encoder.ts";
import { loadTokenizer } from "../../tokenizer/files.ts";
import { modelFolder, type OpenedModel, openModel } from "../../trainer/checkpoint.ts";
import { type DeviceKind, openDevice } from "../../trainer/devices.ts";
import { markOf } from "./workdir.ts";

export type Speaker = {
  readonly model: OpenedModel;
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  readonly device: string;
};

export type ModelRoom = {
  /** Runs `work` alone. UserError where the run has no model. */
  use<T>(work: (speaker: Speaker) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

export function openModelRoom(workdir: string, kind: DeviceKind): ModelRoom {
  let device: { device: Device; reason: string } | null = null;
  let speaker: Speaker | null = null;
  let opened = "";
  let queue: Promise<unknown> = Promise.resolve();

  async function current(): Promise<Speaker> {
    const folder = join(workdir, "model");
    if (!existsSync(join(folder, "checkpoints")) && !existsSync(join(folder, "model.safetensors")))
      throw new UserError(
        "this run has no model yet",
        "It comes with the stage train, after its first checkpoint.",
      );
    const dir = modelFolder(folder);
    const mark = markOf([join(dir, "model.safetensors"), join(dir, "config.json")]);
    if (speaker?.model.dir === dir && mark === opened) return speaker;
    speaker?.model.free();
    speaker = null;
    opened = mark;
    device ??= await openDevice(kind, { threads: null, allowSoftware: kind === "webgpu" });
    const { vocabulary } = loadTokenizer(join(workdir, "tokenizer"));
    speaker = {
      model: await openModel(folder, device.device),
      encoder: createEncoder(vocabulary),
      decoder: createDecoder(vocabulary),
      device: device.reason.split(":")[0]!,
    };
    return speaker;
  }

  return {
    use(work) {
      const turn = queue.then(async () => work(await current()));
      queue = turn.catch(() => undefined);
      return turn;
    },
    async close() {
      await queue;
      speaker?.model.free();
      await device?.device.destroy();
    },
  };
}
