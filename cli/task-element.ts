/**
 * `curate task GROUP --index i`: one element of a cluster's array job. The same entry serves Slurm, Kubernetes and AWS
 * Batch; each tells the element's number in a variable of its own.
 */
import { UserError } from "../lib/errors.ts";
import { readGroup, runElement } from "../pipeline/execute/group.ts";
import type { JobReport } from "../pipeline/execute/phase.ts";
import { keepHeapsSmall } from "../pipeline/execute/workers.ts";
import { isS3 } from "../pipeline/store/s3.ts";
import type { FlagValues } from "./command.ts";
import { allPhases } from "./phases.ts";
import { openRemoteGroup } from "./remote.ts";
import { type taskFlags, variables } from "./task.ts";
import { duration, say } from "./terminal.ts";

export async function taskElement([path]: readonly string[], flags: FlagValues<typeof taskFlags>) {
  if (path === undefined)
    throw new UserError("curate task: expected the file of a group of tasks", "See  curate plan --help");
  const remote = isS3(path) ? await openRemoteGroup(path) : null;
  const { group, plan } = remote ?? readGroup(path);
  keepHeapsSmall(plan.recipe.memory);
  const index = elementIndex(flags.index, process.env, group.elements);
  const phases = allPhases(plan);
  await remote?.bring(phases, index);
  const done: { readonly job: number; readonly report: JobReport }[] = [];
  const stop = new AbortController();
  const onSignal = () => stop.abort(new Error("stopped"));
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  const ran = await runElement(plan, phases, group, index, stop.signal, {
    begin: job => say(`${group.phase} ${job}: begun`),
    end: (job, report, seconds) => {
      done.push({ job, report });
      say(`${group.phase} ${job}: done in ${duration(seconds)}`);
      for (const warning of report.warnings ?? []) say(warning);
    },
    failed: (job, error) => {
      say(`${group.phase} ${job}: failed: ${error.message}`);
      if (error instanceof UserError) say(error.hint ?? "");
      else say(error.stack ?? "");
    },
  });
  await remote?.send(done);
  if (ran.done + ran.failed === 0) say(`${group.phase}: nothing left to do for element ${index}`);
  return ran.failed > 0 ? 1 : 0;
}

/** The element's number, from the flag or from what the cluster says. Throws UserError. */
export function elementIndex(
  flag: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  elements: number,
): number {
  const name = flag === undefined ? variables.find(variable => environment[variable]) : undefined;
  const given = flag ?? (name === undefined ? undefined : environment[name]);
  const where = flag === undefined ? (name ?? "") : "--index";
  if (given === undefined)
    throw new UserError(
      `curate task: which element? There is no --index, and none of ${variables.join(", ")} is set`,
      "Outside a cluster, say  --index 0",
    );
  const index = Number(given);
  if (!/^\d+$/.test(given) || index >= elements)
    throw new UserError(
      `${where}: expected a whole number from 0 to ${elements - 1}, got ${JSON.stringify(given)}`,
    );
  return index;
}
