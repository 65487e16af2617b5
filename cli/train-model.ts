/** `curate train`: trains the model of a workdir on its shards, or goes on training; by itself, without the pipeline. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { nearest, shown, UserError } from "../lib/errors.ts";
import { defaults, type Values } from "../lib/options.ts";
import { acquireLock } from "../pipeline/execute/lock.ts";
import { openShards } from "../tokenizer/shards/read.ts";
import { configOfFile, modelFolder, readModelFile } from "../trainer/checkpoint.ts";
import { configOf } from "../trainer/config.ts";
import { flopsPerStep, flopsPerToken, mfuFormula, shareOfPeak } from "../trainer/flops.ts";
import { checkMemory, deviceMemory, memoryPlan } from "../trainer/memory.ts";
import { trainOptions } from "../trainer/options.ts";
import { countParameters } from "../trainer/parameters.ts";
import type { FlagValues } from "./command.ts";
import { shardsDir, tokenizerDir } from "./corpus-phases.ts";
import { loadRecipe, parseSets, workdirOf } from "./load.ts";
import { modelDir } from "./model-phases.ts";
import { modelVocabulary } from "./model-vocabulary.ts";
import { bytes, duration, fill, json, number, out, say, table } from "./terminal.ts";
import type { trainFlags } from "./train.ts";
import { scaled, stepHeader, stepLines } from "./training-lines.ts";

type TrainValues = Values<typeof trainOptions>;

export async function trainModel(_: readonly string[], flags: FlagValues<typeof trainFlags>) {
  const workdir = workdirOf(flags.workdir);
  const options = optionsFor(workdir, flags.set, flags.device);
  const init = flags.init === undefined ? null : resolve(flags.init);
  if (flags["dry-run"]) return dryRun(workdir, options, init, flags["price-per-hour"], flags.json);
  const lock = acquireLock(workdir);
  const stop = new AbortController();
  const onSignal = () => (stop.signal.aborted ? process.exit(130) : stop.abort());
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const { openDevice } = await import("../trainer/devices.ts");
  const { train: run } = await import("../trainer/train.ts");
  const { device, reason } = await openDevice(options.device, {
    threads: options.threads,
    allowSoftware: options.device === "webgpu",
    precision: options.precision,
  });
  try {
    const tell = (text: string) => {
      for (const line of fill(text.split(" "), 80)) say(line.join(" "));
    };
    tell(reason);
    let [began, from, headed] = [0, 0, false];
    const result = await run({
      ...{
        shards: shardsDir(workdir),
        out: flags.out ? resolve(flags.out) : modelDir(workdir),
        options,
        device,
        init,
      },
      ...{ vocabulary: modelVocabulary(tokenizerDir(workdir)).vocabulary, signal: stop.signal },
      on: {
        note: tell,
        start({ parameters, resumedFrom, trainTokens, epochs, peakFlops, damaged }) {
          [began, from] = [performance.now(), resumedFrom];
          for (const path of damaged) say(`passed over a damaged checkpoint: ${path}`);
          tell(
            `${number(parameters)} parameters, ${number(trainTokens)} tokens, ${epochs.toFixed(1)} epochs${resumedFrom > 0 ? `, going on from step ${resumedFrom}` : ""}`,
          );
          tell(`MFU: ${mfuFormula}, ${scaled(peakFlops)}FLOP/s`);
        },
        step(metrics) {
          if (flags.json) return json(metrics);
          const { step } = metrics;
          const left = ((performance.now() - began) / 1000 / (step - from)) * (options.steps - step);
          if (!headed) say(stepHeader(options.steps));
          headed = true;
          for (const line of stepLines(metrics, options.steps, left)) say(line);
        },
        sample({ step, text }) {
          if (flags.json) return json({ step, sample: text });
          out(`--- step ${step}\n${text}\n---`);
          headed = false;
        },
      },
    });
    if (flags.json) json(result);
    else
      out(
        `step ${result.step}: loss ${result.loss.toFixed(4)}${result.validation ? `, validation ${result.validation.loss.toFixed(4)}` : ""}\nCheckpoint: ${result.checkpoint}`,
      );
    if (!result.finished) say("stopped; the same command goes on from here");
    return result.finished ? 0 : 130;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    await device.destroy();
    lock.release();
  }
}

/** The recipe's options of training, with what the command line changes. */
function optionsFor(workdir: string, sets: readonly string[], device: string | undefined): TrainValues {
  const recipePath = join(workdir, "recipe.yaml");
  const recipe = existsSync(recipePath) ? loadRecipe(recipePath, []) : null;
  const values: Record<string, unknown> = {
    ...defaults(trainOptions),
    ...recipe?.stages.find(stage => stage.name === "train")?.options,
  };
  const names = Object.keys(trainOptions);
  const all = [
    ...parseSets(sets),
    ...(device === undefined ? [] : [{ address: "train.device", value: device }]),
  ];
  for (const { address, value } of all) {
    const name = address.replace(/^train\./, "") as keyof typeof trainOptions;
    const option = trainOptions[name];
    if (!option) {
      const near = nearest(name, names);
      throw new UserError(
        `--set ${address}: train has no option ${shown(name)}.${near ? ` Did you mean ${near}?` : ""} Known: ${names.join(", ")}`,
      );
    }
    const raw =
      value === "null"
        ? null
        : value === "true" || value === "false"
          ? value === "true"
          : value.trim() !== "" && Number.isFinite(Number(value))
            ? Number(value)
            : value;
    const parsed = option.parse(raw);
    if (parsed === undefined)
      throw new UserError(`--set ${address}=${value}: expected ${option.expects}, got ${shown(raw)}`);
    values[name] = parsed;
  }
  return values as TrainValues;
}

async function dryRun(
  workdir: string,
  options: TrainValues,
  init: string | null,
  price: number | undefined,
  asJson: boolean,
): Promise<void> {
  const { vocabulary } = modelVocabulary(tokenizerDir(workdir));
  const config = init
    ? configOfFile(readModelFile(modelFolder(init)))
    : configOf({ ...options, vocabulary: vocabulary.size });
  const shards = openShards(shardsDir(workdir), "train");
  const { openDevice } = await import("../trainer/devices.ts");
  const { measurePeak } = await import("../trainer/peak.ts");
  const { microBatchOf, sequencesOf } = await import("../trainer/train.ts");
  const { device, reason } = await openDevice(options.device, {
    threads: options.threads,
    allowSoftware: options.device === "webgpu",
    precision: options.precision,
  });
  try {
    const peak = await measurePeak(device);
    const tokens = options.steps * options.batchTokens;
    const flops = flopsPerToken(config);
    const share = device.kind === "cpu" ? shareOfPeak.cpu : shareOfPeak.webgpu;
    const seconds = (options.steps * flopsPerStep(config, options)) / (peak * share);
    const sequences = sequencesOf(options, config);
    const rows = microBatchOf(options, config, sequences, device, null);
    const memory = memoryPlan(config, rows, options);
    const available = deviceMemory(device);
    const plan = {
      ...{
        device: reason,
        parameters: countParameters(config),
        config,
        memory,
        microBatch: rows,
        memoryAvailable: Number.isFinite(available) ? available : null,
        tokens,
        trainTokens: shards.tokens,
      },
      ...{ epochs: tokens / Math.max(1, shards.tokens), flopsPerToken: flops, peakFlops: peak, seconds },
      cost: price === undefined ? null : (price * seconds) / 3600,
    };
    if (asJson) return json(plan);
    const { parameters, optimizer, activations, logits, cache, total } = memory;
    const needs = [
      `${bytes(total)}: weights ${bytes(parameters)}, gradients and moments ${bytes(optimizer - parameters)},`,
      `activations ${bytes(activations)}, logits ${bytes(logits)}, the sampler's cache ${bytes(cache)},`,
      `in micro-batches of ${rows} x ${config.context} tokens;`,
      Number.isFinite(available) ? `${bytes(available)} free` : "the device does not say what it has",
    ];
    const facts = [
      ["device", reason],
      ["parameters", number(plan.parameters)],
      ["memory", needs.join(" ")],
      [
        "tokens",
        `${number(tokens)} in ${number(options.steps)} steps, ${plan.epochs.toFixed(1)} epochs of ${number(shards.tokens)}`,
      ],
      ["FLOPs", `${scaled(flops)} a token, ${scaled(options.steps * flopsPerStep(config, options))} in all`],
      [
        "time",
        `about ${duration(seconds)}, at ${100 * share} % of the ${scaled(peak)}FLOP/s measured just now`,
      ],
      ...(plan.cost === null ? [] : [["cost", `about ${plan.cost.toFixed(2)}`]]),
    ] as const;
    const lines = facts.flatMap(([name, text]) =>
      fill(text!.split(" "), 68).map((line, i) => [i === 0 ? name! : "", line.join(" ")]),
    );
    out(table(lines, ["left", "left"]));
    // What would be refused at the start is refused here, with what would fit.
    checkMemory(config, rows, available, options);
  } finally {
    await device.destroy();
  }
}
