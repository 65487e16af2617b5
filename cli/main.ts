#!/usr/bin/env node
/**
 * The command line: finds the command, reads its arguments, runs it and turns what went wrong into words and an exit
 * code. 0 done, 1 the run failed, 2 the user's mistake, 130 stopped by Ctrl-C. Commands are loaded when called, so
 * that `curate --help` needs no trainer.
 */
import { nearest, UserError } from "../lib/errors.ts";
import { type Command, helpScreen, parseCommandLine } from "./command.ts";
import { colourful, out, say, styled } from "./terminal.ts";

type Entry = { readonly about: string; readonly load: () => Promise<Command> };

const commands: Readonly<Record<string, Entry>> = {
  run: {
    about: "run or resume a recipe, from raw crawl to a model that talks",
    load: async () => (await import("./run.ts")).run,
  },
  check: {
    about: "validate a recipe, print the plan and a cost estimate; does no work",
    load: async () => (await import("./check.ts")).check,
  },
  plan: {
    about: "write the plan of a run for a cluster: groups of tasks, Kubernetes manifests",
    load: async () => (await import("./plan.ts")).plan,
  },
  task: {
    about: "one element of a group of tasks, as a cluster calls it",
    load: async () => (await import("./task.ts")).task,
  },
  stats: {
    about: "the funnel of a run, and what another threshold would keep",
    load: async () => (await import("./stats.ts")).stats,
  },
  inspect: {
    about: "read real documents that a stage kept or dropped",
    load: async () => (await import("./inspect.ts")).inspect,
  },
  explain: {
    about: "what became of one document, and why",
    load: async () => (await import("./explain.ts")).explain,
  },
  report: {
    about: "one self-contained report.html and DATASET_CARD.md",
    load: async () => (await import("./report.ts")).report,
  },
  diff: {
    about: "two runs side by side: recipe, rules, documents",
    load: async () => (await import("./diff.ts")).diff,
  },
  extract: {
    about: "the main text of one HTML page",
    load: async () => (await import("./extract.ts")).extract,
  },
  blocklist: {
    about: "download lists for url-filter and pin them by hash",
    load: async () => (await import("./blocklist.ts")).blocklist,
  },
  tokenizer: {
    about: "train, encode, decode, inspect: the BPE tools alone",
    load: async () => (await import("./tokenizer.ts")).tokenizer,
  },
  train: {
    about: "train a model on token shards, or go on training",
    load: async () => (await import("./train.ts")).train,
  },
  sample: { about: "text from a model", load: async () => (await import("./sample.ts")).sample },
  eval: {
    about: "validation loss, bits per byte, HellaSwag",
    load: async () => (await import("./eval.ts")).evaluate,
  },
  export: {
    about: "a model as Hugging Face folder or GGUF; shards for other trainers",
    load: async () => (await import("./export.ts")).exportCommand,
  },
  import: {
    about: "a GPT-2 or Llama model of another program",
    load: async () => (await import("./import.ts")).importCommand,
  },
  studio: {
    about: "a local page that shows documents, tokens, training and the model",
    load: async () => (await import("./studio.ts")).studio,
  },
  doctor: {
    about: "what this machine offers and what will be used",
    load: async () => (await import("./doctor.ts")).doctor,
  },
};

function overview(): string {
  const width = Math.max(...Object.keys(commands).map(name => name.length));
  const lines = Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`);
  return [
    "curate: from a raw Common Crawl snapshot to a language model that talks.",
    "",
    "Usage   curate <command> [options]",
    "",
    ...lines,
    "",
    "Start with   curate run stages.yaml",
    "Help         curate <command> --help  ·  curate help <stage>  ·  curate help recipe",
    "",
  ].join("\n");
}

/** A command's screen, a stage's options, or `recipe`: every key of a recipe as one page. */
async function helpOn(topic: string): Promise<string> {
  if (commands[topic]) return helpScreen(await commands[topic].load());
  const { recipePage, stageNamed, stageScreen } = await import("./reference.ts");
  const { catalogue } = await import("./catalogue.ts");
  if (topic === "recipe") return recipePage(catalogue);
  return stageScreen(stageNamed(topic, catalogue, [...Object.keys(commands), "recipe"]));
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    const topic = name === "help" ? rest[0] : undefined;
    out(topic === undefined ? overview() : await helpOn(topic));
    return name === undefined ? 2 : 0;
  }
  if (name === "--version" || name === "-v") {
    out((await import("./version.ts")).version);
    return 0;
  }
  const entry = commands[name];
  if (!entry) {
    const near = nearest(name, Object.keys(commands));
    throw new UserError(
      `curate has no command ${JSON.stringify(name)}.${near ? ` Did you mean ${near}?` : ""}`,
      "See  curate --help",
    );
  }
  const command = await entry.load();
  const dash = rest.indexOf("--");
  if (rest.slice(0, dash < 0 ? undefined : dash).some(arg => arg === "--help" || arg === "-h")) {
    out(helpScreen(command));
    return 0;
  }
  const { positionals, flags } = parseCommandLine(command, rest);
  return (await command.run(positionals, flags)) ?? 0;
}

/** The reader of our output went away (`curate … | head`): nothing is wrong. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

main(process.argv.slice(2)).then(
  code => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const colour = colourful(process.stderr);
    if (error instanceof UserError) {
      say(`${styled("error", "red", colour)}: ${error.message}`);
      if (error.hint) say(error.hint);
      process.exitCode = 2;
      return;
    }
    const { message, stack } = error as Error;
    say(`${styled("failed", "red", colour)}: ${explained(error as NodeJS.ErrnoException) ?? message}`);
    if (process.env["CURATE_DEBUG"] && stack) say(stack);
    else say("Set CURATE_DEBUG=1 to see where. Nothing half-written was left; the same command goes on.");
    process.exitCode = 1;
  },
);

/** Faults of the machine in words. */
function explained({ code, path }: NodeJS.ErrnoException): string | null {
  const where = path ? ` (${path})` : "";
  if (code === "ENOSPC") return `the disk is full${where}. Make room, then run the same command to go on.`;
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return `no permission to write${where}.`;
  if (code === "EMFILE" || code === "ENFILE")
    return "too many open files. Raise the limit (ulimit -n), then run the same command to go on.";
  return null;
}
