/**
 * Before the work: says what changed since the workdir was last used and what is redone for it, removes what phases
 * left that the recipe no longer has, and makes each phase ready for its jobs.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { begunFor, changes } from "./changes.ts";
import type { Phase } from "./phase.ts";
import type { PhaseKeys, Plan } from "./plan.ts";
import {
  begunPhases,
  forgetReport,
  readBegun,
  readReport,
  removeOutputs,
  removePhase,
  reportedJobs,
  sweepUnreported,
  writeBegun,
} from "./reports.ts";

type Say = (line: string) => void;

/** Says what will be redone and why; whether anything will. Phases that are no longer in the recipe go. */
export function tellChanges(
  plan: Plan,
  phases: readonly Phase[],
  keys: readonly PhaseKeys[],
  say: Say,
): boolean {
  const { workdir } = plan;
  const [why, redo, kept]: [Set<string>, Phase[], Phase[]] = [new Set(), [], []];
  const names = new Set(phases.map(phase => phase.name));
  /** What a phase left that no phase leaves any more: measures of a filter that is gone. */
  const owned = new Set(phases.flatMap(phase => phase.outputs));
  for (const name of begunPhases(workdir).filter(name => !names.has(name))) {
    const { outputs, place } = readBegun(workdir, name)!;
    why.add(`${name} is no longer part of the recipe`);
    removePhase(workdir, name, place === "main" ? [] : outputs);
  }
  for (const [i, phase] of phases.entries()) {
    const begun = readBegun(workdir, phase.name);
    if (!begun) continue;
    const wanted = begunFor(plan, phase, keys[i]!.key);
    for (const change of changes(begun, wanted)) why.add(change);
    (begun.key === wanted.key ? kept : redo).push(phase);
    if (begun.key !== wanted.key)
      removeOutputs(
        workdir,
        begun.outputs.filter(output => !owned.has(output)),
      );
  }
  if (why.size === 0 && redo.length === 0) return false;
  const cause = why.size > 0 ? `changed since the last run: ${[...why].join("; ")}` : "begun anew";
  say(redo.length > 0 ? `${cause}. ${redoing(redo, kept)}` : cause);
  return true;
}

/** Which of the recipe's stages are redone and which are kept; one that is redone in part says from which phase on. */
function redoing(redo: readonly Phase[], kept: readonly Phase[]): string {
  const keptStages = new Set(kept.flatMap(({ stages }) => stages));
  const redone = new Map<string, string>();
  for (const { name, stages } of redo)
    for (const stage of stages) if (!redone.has(stage)) redone.set(stage, name);
  const named = [...redone].map(([stage, from]) =>
    keptStages.has(stage) ? `${stage} (from ${from} on)` : stage,
  );
  const keeping = [...keptStages].filter(stage => !redone.has(stage));
  return `Redoing ${named.join(", ")}${keeping.length > 0 ? `; keeping ${keeping.join(", ")}` : ""}`;
}

/** Makes the phase ready: begun for this plan, without files of another. */
export function begin(plan: Plan, phases: readonly Phase[], at: number, keys: PhaseKeys, say: Say): void {
  const { workdir } = plan;
  const phase = phases[at]!;
  const begun = readBegun(workdir, phase.name);
  const wanted = begunFor(plan, phase, keys.key);
  if (begun?.key !== wanted.key) {
    removePhase(workdir, phase.name, phase.outputs);
    writeBegun(workdir, phase.name, wanted);
  } else if (begun.inputs !== wanted.inputs) {
    const jobs = reportedJobs(workdir, phase.name);
    let kept = 0;
    for (const job of jobs) {
      const found = readReport(workdir, phase.name, job, false);
      if (found.state === "done" && job < plan.inputs.length && found.report.key === keys.job(job)) {
        kept++;
        continue;
      }
      const outputs = found.state === "done" ? found.report.outputs : [];
      for (const { path } of outputs) rmSync(join(workdir, path), { force: true });
      forgetReport(workdir, phase.name, job);
    }
    if (jobs.length > 0) say(`${phase.name}: ${kept} of ${plan.inputs.length} inputs are done already`);
    sweepUnreported(
      workdir,
      phase,
      phases.filter(other => other !== phase).flatMap(({ outputs }) => outputs),
    );
    writeBegun(workdir, phase.name, wanted);
  } else if (JSON.stringify(begun) !== JSON.stringify(wanted)) writeBegun(workdir, phase.name, wanted);
}
