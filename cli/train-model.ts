/** `curate train`: trains the model of a workdir on its shards, or goes on training; by itself, without the pipeline. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { nearest, shown, UserError } from "../lib/errors.ts";
import { defaults, type Values } from "../lib/options.ts";
import { acquireLock } from "../pipeline/execute/lock.ts";
import { openShards } from "../tokenizer/shards/read.ts";
import { configOfFile, modelFolder, readModelFile } from "../trainer/checkpoint.ts";
import { configOf } from "../trainer/config.ts";
import { flopsPerToken, mfuFormula } from "../trainer/flops.ts";
import { checkMemory, deviceMemory, fastMicroBatch, memoryPlan } from "../trainer/memory.ts";
import { trainOptions } from "../trainer/options.ts";
import { countParameters } from "../trainer/parameters.ts";
import type { FlagValues } from "./command.ts";
import { shardsDir, tokenizerDir } from "./corpus-phases.ts";
import { loadRecipe, parseSets, workdirOf } from "./load.ts";
import { modelDir } from "./model-phases.ts";
import { modelVocabulary } from "./model-vocabulary.ts";
import { bytes, duration, json, number, out, say, table } from "./terminal.ts";
import type { trainFlags } from "./train.ts";

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
    say(reason);
    const began = Date.now();
    let from = 0;
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
        note: say,
        start({ parameters, resumedFrom, trainTokens, epochs }) {
          from = resumedFrom;
          say(
            `${number(parameters)} parameters, ${number(trainTokens)} tokens, ${epochs.toFixed(1)} epochs${resumedFrom > 0 ? `, going on from step ${resumedFrom}` : ""}. MFU: ${mfuFormula}`,
          );
        },
        step(metrics) {
          if (flags.json) return json(metrics);
          const { step, loss, gradNorm, lr, ms, tokensPerSecond, mfu, valLoss, outliers = {} } = metrics;
          const strange = Object.entries(outliers).map(
            ([name, z]) => ` | unusual ${name}: ${z} deviations above the steps before`,
          );
          const left = ((Date.now() - began) / 1000 / (step - from)) * (options.steps - step);
          say(
            `step ${step}/${options.steps} | loss ${loss.toFixed(4)} | norm ${gradNorm.toFixed(3)} | lr ${lr.toExponential(2)} | ${ms.toFixed(0)} ms | ${number(tokensPerSecond)} tokens/s${mfu === null ? "" : ` | MFU ${(mfu * 100).toFixed(1)} %`} | ${duration(left)} left${valLoss === undefined ? "" : ` | validation ${valLoss.toFixed(4)}`}${strange.join("")}`,
          );
        },
        sample: ({ step, text }) =>
          flags.json ? json({ step, sample: text }) : out(`--- step ${step}\n${text}\n---`),
      },
    });
    if (flags.json) json(result);
    else
      out(
        `step ${result.step}: loss ${result.loss.toFixed(4)}${result.validation ? `, validation ${result.validation.loss.toFixed(4)}` : ""}. Checkpoint: ${result.checkpoint}`,
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
  const { device, reason } = await openDevice(options.device, {
    threads: options.threads,
    allowSoftware: options.device === "webgpu",
    precision: options.precision,
  });
  try {
    const peak = await measurePeak(device);
    const tokens = options.steps * options.batchTokens;
    const flops = flopsPerToken(config);
    const seconds = (tokens * flops) / (peak * 0.35);
    const sequences = Math.max(1, Math.floor(options.batchTokens / config.context));
    const rows = options.microBatch ?? fastMicroBatch(config, sequences, device, options);
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
    const lines = [
      ["device", reason],
      ["parameters", number(plan.parameters)],
      [
        "memory",
        Object.entries(memory)
          .filter(([, value]) => typeof value === "number")
          .map(([name, value]) => `${name} ${bytes(value as number)}`)
          .join(", "),
      ],
      [
        "",
        `in micro-batches of ${rows} x ${config.context} tokens; ${Number.isFinite(available) ? `${bytes(available)} free` : "the device does not say what it has"}`,
      ],
      [
        "tokens",
        `${number(tokens)} in ${number(options.steps)} steps, ${plan.epochs.toFixed(1)} epochs of ${number(shards.tokens)}`,
      ],
      ["FLOPs", `${(flops / 1e6).toFixed(1)} M a token, ${((tokens * flops) / 1e12).toFixed(1)} T in all`],
      [
        "time",
        `about ${duration(seconds)}, at 35 % of the ${(peak / 1e9).toFixed(0)} GFLOP/s measured just now`,
      ],
      ...(plan.cost === null ? [] : [["cost", `about ${plan.cost.toFixed(2)}`]]),
    ];
    out(table(lines, ["left", "left"]));
    // What would be refused at the start is refused here, with what would fit.
    checkMemory(config, rows, available, options);
  } finally {
    await device.destroy();
  }
}
