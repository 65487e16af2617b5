/**
 * The phases of the model: training, which brings its own threads and resumes by itself, and sampling. Joins the
 * trainer with the tokenizer's files and shards.
 */

import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { sha256File, writeAtomic } from "../lib/atomic.ts";
import { makeFolder } from "../lib/folder.ts";
import type { Values } from "../lib/options.ts";
import { relativeTo } from "../pipeline/execute/documents.ts";
import type { JobContext, JobReport, Phase } from "../pipeline/execute/phase.ts";
import type { Plan } from "../pipeline/execute/plan.ts";
import { checkOutputs, reportedJobs } from "../pipeline/execute/reports.ts";
import { emptyStats } from "../pipeline/stats.ts";
import type { TrainOptions } from "../trainer/options.ts";
import type { sampleOptions } from "./corpus-options.ts";
import { shardsDir, tokenizerDir } from "./corpus-phases.ts";
import { number, printable } from "./terminal.ts";

type SampleValues = Values<typeof sampleOptions>;

export const modelDir = (workdir: string): string => join(workdir, "model");

export function modelPhases(plan: Plan): Phase[] {
  const options = (name: string) => plan.recipe.stages.find(stage => stage.name === name)?.options;
  const [trainValues, sampleValues] = [options("train"), options("sample")];
  return [
    ...(trainValues ? [trainPhase(trainValues as unknown as TrainOptions)] : []),
    ...(sampleValues
      ? [samplePhase(sampleValues as unknown as SampleValues, trainValues as unknown as TrainOptions)]
      : []),
  ];
}

function trainPhase(options: TrainOptions): Phase {
  const { device: _device, threads: _threads, ...settings } = options;
  return {
    name: "train",
    about: "training the model",
    stages: ["train"],
    settings: { train: settings },
    outputs: ["model/checkpoints", "model/metrics.jsonl", "model/samples.jsonl"],
    place: "main",
    total: { units: options.steps },
    jobs: () => 1,
    run: (_, context) => runTraining(options, context),
  };
}

async function runTraining(options: TrainOptions, context: JobContext): Promise<JobReport> {
  const { workdir, signal, progress } = context;
  for (const phase of ["tokenizer", "shards"])
    for (const job of reportedJobs(workdir, phase)) checkOutputs(workdir, phase, job);
  const { openDevice } = await import("../trainer/devices.ts");
  const { train } = await import("../trainer/train.ts");
  const { removeOlderDamaged } = await import("../trainer/checkpoint.ts");
  const { modelVocabulary } = await import("./model-vocabulary.ts");
  const { device, reason } = await openDevice(options.device, {
    threads: options.threads,
    allowSoftware: options.device === "webgpu",
    precision: options.precision,
  });
  progress({ line: `  training on ${reason}` });
  const stats = emptyStats("train");
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  try {
    makeFolder(modelDir(workdir));
    const { vocabulary } = modelVocabulary(tokenizerDir(workdir));
    for (const path of removeOlderDamaged(modelDir(workdir)))
      progress({ line: `  removed a damaged checkpoint, older than the one to go on from: ${path}` });
    let seen = 0;
    const result = await train({
      ...{ shards: shardsDir(workdir), out: modelDir(workdir), options, device, vocabulary, signal },
      on: {
        note: line => progress({ line: `  ${line}` }),
        start({ parameters, resumedFrom, trainTokens, trainDocuments, epochs, damaged }) {
          progress({
            line: `  ${number(parameters)} parameters, ${number(trainTokens)} tokens of ${number(trainDocuments)} documents${Number.isFinite(epochs) ? `, ${epochs.toFixed(1)} epochs` : ""}`,
          });
          for (const path of damaged) progress({ line: `  passed over a damaged checkpoint: ${path}` });
          if (resumedFrom > 0) progress({ line: `  going on from step ${resumedFrom}`, units: resumedFrom });
          seen = resumedFrom;
        },
        step({ step, loss, tokensPerSecond }) {
          progress({
            units: step - seen,
            note: `step ${step} · loss ${loss.toFixed(3)} · ${number(tokensPerSecond)} tokens/s`,
          });
          seen = step;
        },
        validation: (step, { loss, bitsPerByte }) =>
          progress({
            line: `  step ${step}: validation loss ${loss.toFixed(4)}${bitsPerByte === null ? "" : `, ${bitsPerByte.toFixed(3)} bits a byte`}`,
          }),
        sample: ({ step, text }) => progress({ line: `  step ${step}: ${oneLine(text)}` }),
      },
    });
    signal.throwIfAborted();
    const used = process.cpuUsage(cpu);
    stats.cpuSeconds = (used.user + used.system) / 1e6;
    stats.wallSeconds = (performance.now() - wall) / 1000;
    stats.notes = { steps: result.step, tokens: result.tokens };
    const files = filesBelow(dirname(result.checkpoint));
    const outputs = files.map(path => ({ path, bytes: statSync(path).size, sha256: sha256File(path) }));
    return { stats: [stats], outputs: relativeTo(workdir, outputs) };
  } finally {
    await device.destroy();
  }
}

/** Every file in the folders of a folder: all checkpoints that are kept, each with its checksum in the report. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort();
}

/** A sample on one line, cut to a terminal's width. */
function oneLine(text: string): string {
  const flat = printable(text).replace(/\s+/g, " ").trim();
  return flat.length > 110 ? `${flat.slice(0, 109)}…` : flat;
}

export type Continuation = { readonly prompt: string; readonly text: string };
export const continuationsPath = (workdir: string): string => join(modelDir(workdir), "continuations.jsonl");

function samplePhase(options: SampleValues, training: TrainOptions | undefined): Phase {
  return {
    name: "sample",
    about: "sampling from the model",
    stages: ["sample"],
    settings: { sample: options },
    outputs: ["model/continuations.jsonl"],
    place: "main",
    total: { units: options.prompts.length },
    jobs: () => 1,
    async run(_, { workdir, signal, progress }): Promise<JobReport> {
      const { openTalker } = await import("./talk.ts");
      for (const phase of ["tokenizer", "train"]) checkOutputs(workdir, phase, 0);
      const wall = performance.now();
      const talker = await openTalker(
        modelDir(workdir),
        tokenizerDir(workdir),
        training?.device ?? "auto",
        training?.threads ?? null,
      );
      const stats = emptyStats("sample");
      try {
        const lines: Continuation[] = [];
        for (const prompt of options.prompts) {
          signal.throwIfAborted();
          let text = "";
          for await (const piece of talker.stream(prompt, { ...options, n: 1 })) text += piece.text;
          lines.push({ prompt, text });
          progress({ units: 1 });
        }
        const file = writeAtomic(
          continuationsPath(workdir),
          lines.map(line => `${JSON.stringify(line)}\n`).join(""),
        );
        stats.wallSeconds = stats.cpuSeconds = (performance.now() - wall) / 1000;
        return { stats: [stats], outputs: relativeTo(workdir, [file]) };
      } finally {
        await talker.close();
      }
    },
  };
}
