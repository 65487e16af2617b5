/** `curate task`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

/** Where clusters tell an element its number. */
export const variables = [
  "SLURM_ARRAY_TASK_ID",
  "JOB_COMPLETION_INDEX",
  "AWS_BATCH_JOB_ARRAY_INDEX",
] as const;

export const taskFlags = {
  index: { type: "text", value: "N", about: `which element; default: ${variables.join(", ")}` },
} as const satisfies Flags;

export const task = command({
  name: "task",
  about: "Runs one element of a group of tasks that  curate plan  or  curate run --executor slurm  wrote.",
  usage: "GROUP",
  example: "curate task runs/curate/work/groups/documents-1.json --index 0",
  maxPositionals: 1,
  flags: taskFlags,
  run: async (positionals, flags) => (await import("./task-element.ts")).taskElement(positionals, flags),
});
