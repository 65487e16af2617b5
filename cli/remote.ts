/** Workdirs at s3:// addresses: what a run, a plan and a task bring here before they work, and send when they have. */

import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { makeFolder } from "../lib/folder.ts";
import { type Group, readGroup } from "../pipeline/execute/group.ts";
import type { JobReport, Phase } from "../pipeline/execute/phase.ts";
import type { Plan } from "../pipeline/execute/plan.ts";
import { type Mirror, neededBy, openMirror } from "../pipeline/store/mirror.ts";
import { openStore, scratchOf } from "../pipeline/store/s3.ts";

export const mirrorOf = async (url: string, workdir: string): Promise<Mirror> =>
  openMirror(await openStore(), url, workdir);

/** Brings what a workdir in the store has and this machine has not. */
export async function openRemote(url: string, workdir: string, say: (line: string) => void): Promise<Mirror> {
  const mirror = await mirrorOf(url, workdir);
  const brought = await mirror.pull(() => true);
  say(`working in ${workdir}, keeping ${url}${brought > 0 ? `; ${brought} files brought from there` : ""}`);
  return mirror;
}

export type RemoteGroup = {
  readonly group: Group;
  readonly plan: Plan;
  /** Brings what the element's jobs read. */
  bring(phases: readonly Phase[], index: number): Promise<void>;
  send(done: readonly { readonly job: number; readonly report: JobReport }[]): Promise<void>;
};

/** A group at `s3://…/work/groups/PHASE.json`, with its plan moved to this machine's folder. Throws UserError. */
export async function openRemoteGroup(url: string): Promise<RemoteGroup> {
  const match = /^(s3:\/\/.+)\/work\/groups\/([\w-]+)\.json$/i.exec(url);
  if (!match)
    throw new UserError(
      `expected a group of tasks at s3://…/work/groups/PHASE.json, got ${JSON.stringify(url)}`,
      "Run  curate plan stages.yaml --workdir s3://…  and name one of the groups it lists.",
    );
  const [remote, name] = [match[1]!, match[2]!];
  const workdir = scratchOf(remote);
  makeFolder(workdir);
  const mirror = await mirrorOf(remote, workdir);
  const path = `work/groups/${name}.json`;
  await mirror.pull(object => object === path || object === "work/plan.json");
  const { group, plan: planned } = readGroup(join(workdir, path));
  const plan = { ...planned, workdir, remote };
  return {
    group,
    plan,
    async bring(phases, index) {
      const at = phases.findIndex(phase => phase.name === group.phase);
      if (at < 0) return;
      const jobs = new Set<number>();
      const count = phases[at]!.mostJobs ?? (await phases[at]!.jobs({ workdir, memory: plan.recipe.memory }));
      for (let job = index; job < count; job += group.elements) jobs.add(job);
      await mirror.pull(neededBy(phases[at]!, phases.slice(0, at), jobs));
    },
    async send(done) {
      for (const { job, report } of done) await mirror.pushJob(group.phase, job, report);
    },
  };
}
