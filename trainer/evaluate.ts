/**
 * How good a model is: loss in nats per token and bits per byte on held-out tokens, and HellaSwag.
 * Bits per byte = Σ nats / (ln 2 · Σ bytes) over tokens that stand for text (special tokens have no bytes and are left
 * out of both sums): it compares models whose tokenizers differ. HellaSwag after llm.c: of four endings the one with
 * the lowest loss, summed (acc) and per token (accNorm, the number usually quoted); standard error √(p(1-p)/n).
 */

import type { Tensor } from "../kernels/device.ts";
import { UserError } from "../lib/errors.ts";
import { type Batch, ignoredTarget, type TokenShards, validationBatches } from "./batches.ts";
import { logitsBytes } from "./memory.ts";
import {
  type Activations,
  attendBatch,
  forward,
  freeActivations,
  type Head,
  headLosses,
  type Model,
  planActivations,
  planHead,
} from "./model.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Buffers for losses of `rows` sequences at a time. */
export type LossPlan = {
  readonly rows: number;
  readonly activations: Activations;
  readonly head: Head;
  readonly ids: Tensor;
  readonly targets: Tensor;
  readonly losses: Tensor;
};

export function planLosses(model: Model, rows: number, recompute = false): LossPlan {
  const { device, config } = model;
  const N = rows * config.context;
  return {
    rows,
    activations: planActivations(model, N, true, recompute),
    head: planHead(model, N, logitsBytes),
    ids: device.alloc("tokens", N, "u32"),
    targets: device.alloc("targets", N, "u32"),
    losses: device.alloc("losses", N),
  };
}

export function freeLosses({ device }: Model, { activations, head, ids, targets, losses }: LossPlan) {
  freeActivations(device, activations);
  for (const tensor of [head.logits, ids, targets, losses]) device.free(tensor);
}

/** Loss of every position of a batch (nats; 0 where the target is ignored). */
export async function lossesOf(
  model: Model,
  plan: LossPlan,
  { inputs, targets }: Batch,
): Promise<Float32Array> {
  const { device, config } = model;
  const T = config.context;
  const shape = { B: plan.rows, T, position: 0 };
  device.write(plan.ids, inputs);
  device.write(plan.targets, targets);
  forward(model, plan.activations, plan.ids, shape, attendBatch(model, shape));
  headLosses(model, plan.activations, plan.head, {
    ...{ losses: plan.losses, targets: plan.targets, N: plan.rows * T, scale: 1, gradients: null },
  });
  return await device.read(plan.losses);
}

export type Validation = {
  /** Nats per token. */
  readonly loss: number;
  /** null when the tokens stand for no bytes. */
  readonly bitsPerByte: number | null;
  readonly tokens: number;
  readonly bytes: number;
};

export async function validate(
  model: Model,
  plan: LossPlan,
  shards: TokenShards,
  tokens: number,
  bytesPerToken: ArrayLike<number>,
): Promise<Validation> {
  let [nats, count, textNats, bytes] = [0, 0, 0, 0];
  for (const batch of validationBatches(shards, model.config.context, plan.rows, tokens)) {
    const losses = await lossesOf(model, plan, batch);
    for (let i = 0; i < losses.length; i++) {
      const target = batch.targets[i]!;
      if (target === ignoredTarget) continue;
      nats += losses[i]!;
      count++;
      if (!bytesPerToken[target]) continue;
      textNats += losses[i]!;
      bytes += bytesPerToken[target]!;
    }
  }
  const bitsPerByte = bytes > 0 ? textNats / (Math.LN2 * bytes) : null;
  return { loss: nats / count, bitsPerByte, tokens: count, bytes };
}

/** Validation of a model outside training. */
export async function evaluate(
  model: Model,
  shards: TokenShards,
  vocabulary: Pick<Vocabulary, "bytesPerToken">,
  tokens: number,
): Promise<Validation> {
  const plan = planLosses(model, rowsFor(model));
  try {
    return await validate(model, plan, shards, tokens, vocabulary.bytesPerToken);
  } finally {
    freeLosses(model, plan);
  }
}

const rowsFor = ({ config }: Model) => Math.max(1, Math.min(16, Math.floor(4096 / config.context)));

export type HellaSwagItem = {
  readonly ctx: string;
  readonly endings: readonly string[];
  /** The right ending. */
  readonly label: number;
};

export type HellaSwag = {
  readonly items: number;
  readonly acc: number;
  readonly accError: number;
  readonly accNorm: number;
  readonly accNormError: number;
};

/** Parses the lines of a HellaSwag file. UserError names the first line that is none. */
export function hellaSwagItems(text: string, path: string): HellaSwagItem[] {
  return text
    .split("\n")
    .map((line, i) => [line.trim(), i + 1] as const)
    .filter(([line]) => line !== "")
    .map(([line, number]) => {
      const item = hellaSwagItem(line);
      if (item) return item;
      throw new UserError(
        `${path}, line ${number}: expected {"ctx": text, "endings": [texts], "label": number}`,
        "the file is hellaswag_val.jsonl of the HellaSwag release; query, choices and gold are taken too",
      );
    });
}

/** An item as the release has it (ctx, endings, label), or as evaluation harnesses pass it on (query, choices, gold). */
function hellaSwagItem(line: string): HellaSwagItem | null {
  try {
    const item = JSON.parse(line) as Record<string, unknown>;
    const ctx = item["ctx"] ?? item["query"];
    const endings = item["endings"] ?? item["choices"];
    const label = Number(item["label"] ?? item["gold"] ?? Number.NaN);
    if (typeof ctx !== "string" || !Array.isArray(endings)) return null;
    if (!endings.every(ending => typeof ending === "string")) return null;
    return Number.isInteger(label) && label >= 0 && label < endings.length ? { ctx, endings, label } : null;
  } catch {
    return null;
  }
}

export async function hellaSwag(
  model: Model,
  items: readonly HellaSwagItem[],
  encode: (text: string) => Uint32Array,
  progress: (done: number) => void = () => {},
): Promise<HellaSwag> {
  const rows = Math.max(...items.map(({ endings }) => endings.length), 1);
  const plan = planLosses(model, rows);
  let [right, rightNorm] = [0, 0];
  try {
    for (const [done, { ctx, endings, label }] of items.entries()) {
      const prompt = encode(ctx);
      const { batch, lengths } = renderEndings(prompt, endings, encode, rows, model.config.context);
      const losses = await lossesOf(model, plan, batch);
      const sums = endings.map((_, row) =>
        losses
          .subarray(row * model.config.context, (row + 1) * model.config.context)
          .reduce((a, b) => a + b, 0),
      );
      const means = sums.map((sum, row) => sum / Math.max(1, lengths[row]!));
      if (lowest(sums) === label) right++;
      if (lowest(means) === label) rightNorm++;
      progress(done + 1);
    }
  } finally {
    freeLosses(model, plan);
  }
  const n = items.length;
  const error = (p: number) => Math.sqrt((p * (1 - p)) / n);
  const [acc, accNorm] = [right / n, rightNorm / n];
  return { items: n, acc, accError: error(acc), accNorm, accNormError: error(accNorm) };
}

/** A row for each ending: context, a space, the ending; only the ending's tokens are targets. Long contexts lose their beginning. */
function renderEndings(
  prompt: Uint32Array,
  endings: readonly string[],
  encode: (text: string) => Uint32Array,
  rows: number,
  context: number,
): { batch: Batch; lengths: number[] } {
  const inputs = new Uint32Array(rows * context);
  const targets = new Uint32Array(rows * context).fill(ignoredTarget);
  const lengths = endings.map((ending, row) => {
    const tail = encode(" " + ending);
    const all = Uint32Array.of(...prompt, ...tail).slice(-(context + 1));
    const scored = Math.min(tail.length, all.length - 1);
    inputs.set(all.subarray(0, all.length - 1), row * context);
    for (let i = all.length - scored; i < all.length; i++) targets[row * context + i - 1] = all[i]!;
    return scored;
  });
  return { batch: { inputs, targets }, lengths };
}

const lowest = (values: readonly number[]) => values.indexOf(Math.min(...values));
