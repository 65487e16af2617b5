/**
 * `curate plan`: the plan of a run as files that any cluster can work through: one group of tasks a phase, in order,
 * each an array job of `curate task`. It makes the workdir ready as `curate run` does and runs nothing.
 */

import { join, relative } from "node:path";
import { writeAtomic } from "../lib/atomic.ts";
import { UserError } from "../lib/errors.ts";
import { makeFolder } from "../lib/folder.ts";
import { writePlan } from "../pipeline/execute/execute.ts";
import { writeGroup } from "../pipeline/execute/group.ts";
import { acquireLock } from "../pipeline/execute/lock.ts";
import { planKeys } from "../pipeline/execute/plan.ts";
import { begin } from "../pipeline/execute/prepare.ts";
import { isS3 } from "../pipeline/store/s3.ts";
import type { FlagValues } from "./command.ts";
import { refuseStreamed } from "./executors.ts";
import { type GroupOfTasks, kubernetesJobs } from "./kubernetes.ts";
import { loadPlan, prepareWorkdir, recipeYaml } from "./load.ts";
import { allPhases } from "./phases.ts";
import type { planFlags } from "./plan.ts";
import { mirrorOf, openRemote } from "./remote.ts";
import { json, out, say } from "./terminal.ts";

export async function planGroups(
  [recipePath = "stages.yaml"]: readonly string[],
  flags: FlagValues<typeof planFlags>,
) {
  const most = flags["max-elements"] ?? 1000;
  if (!Number.isInteger(most) || most < 1)
    throw new UserError(`--max-elements: expected a whole number of at least 1, got ${most}`);
  const plan = await loadPlan({ recipePath, sets: flags.set, workdir: flags.workdir, limit: flags.limit });
  refuseStreamed(plan);
  const phases = allPhases(plan);
  const { workdir, recipe } = plan;
  prepareWorkdir(workdir);
  const lock = acquireLock(workdir);
  const groups: GroupOfTasks[] = [];
  try {
    if (plan.remote !== undefined) await openRemote(plan.remote, workdir, say);
    writePlan(plan);
    writeAtomic(join(workdir, "recipe.yaml"), recipeYaml(recipe));
    const keys = planKeys(plan, phases);
    for (const [i, phase] of phases.entries()) {
      begin(plan, phases, i, keys[i]!, say);
      const jobs = phase.mostJobs ?? (await phase.jobs({ workdir, memory: recipe.memory }));
      const elements = Math.max(1, Math.min(most, jobs));
      const path = writeGroup(plan, phase.name, elements);
      const at = plan.remote === undefined ? path : `${plan.remote}/work/groups/${phase.name}.json`;
      groups.push({ phase: phase.name, about: phase.about, jobs, elements, path: at });
    }
    if (flags.kubernetes) {
      const dir = join(workdir, "work", "kubernetes");
      makeFolder(dir);
      const manifests = kubernetesJobs(groups, {
        ...{ name: recipe.name, image: flags.image ?? "curate", claim: flags.claim ?? "curate" },
        ...{ workdir, memory: recipe.memory, workers: recipe.workers },
      });
      for (const { file, yaml } of manifests) writeAtomic(join(dir, file), yaml);
    }
    if (plan.remote !== undefined) {
      const mirror = await mirrorOf(plan.remote, workdir);
      await mirror.settle([...phases.flatMap(({ outputs }) => outputs), "work", "recipe.yaml"]);
    }
  } finally {
    lock.release();
  }
  if (flags.json) {
    json({ plan: join(workdir, "work", "plan.json"), groups });
    return;
  }
  const width = Math.max(...groups.map(({ phase }) => phase.length));
  for (const { phase, elements, about, path } of groups)
    out(`${phase.padEnd(width)}  ${String(elements).padStart(6)} × curate task ${shown(path)}  (${about})`);
  if (flags.kubernetes) {
    const dir = relative(process.cwd(), join(workdir, "work", "kubernetes"));
    out(
      `\nIn order:  for f in ${dir}/*.yaml; do kubectl apply -f $f && kubectl wait --for=condition=complete --timeout=-1s -f $f || break; done\nA Job that failed never completes: kubectl logs says why. Mend it, kubectl delete -f its file, and go on: what is done is not done again.`,
    );
  }
  out(
    `\nAt the end:  curate run ${recipePath} --workdir ${plan.remote ?? (relative(process.cwd(), workdir) || ".")}`,
  );
}

const shown = (path: string): string => (isS3(path) ? path : relative(process.cwd(), path));
