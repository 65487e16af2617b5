/**
 * What is different between the plan a workdir was made for and the plan at hand, in the recipe's own words:
 * "gopher-quality.minWords: 50 → 80". Pure; knows no phase by name.
 */
import { shown } from "../../lib/errors.ts";
import type { Phase } from "./phase.ts";
import { hash, type Plan } from "./plan.ts";
import type { Begun } from "./reports.ts";

export function begunFor(plan: Plan, phase: Phase, key: string): Begun {
  const { settings = null, local = null, outputs, place } = phase;
  return {
    key,
    version: plan.version,
    seed: plan.recipe.seed,
    inputs: hash(plan.inputs),
    // As they come back from disk, so that comparing them compares like with like.
    ...(JSON.parse(JSON.stringify({ settings, local })) as { settings: unknown; local: unknown }),
    outputs,
    place,
  };
}

/** Each difference as one clause; none when what changed lies in an earlier phase. */
export function changes(was: Begun, is: Begun): string[] {
  const inputs = was.inputs === is.inputs ? [] : ["the list of inputs or their content"];
  // The key is made of all the rest: where it is the same, a difference is damage to the file.
  if (was.key === is.key) return inputs;
  return [
    ...difference("version of curate", was.version, is.version),
    ...difference("seed", was.seed, is.seed),
    ...inputs,
    ...difference("", was.settings, is.settings),
    ...difference("", was.local, is.local),
  ];
}

function difference(at: string, was: unknown, is: unknown): string[] {
  if (JSON.stringify(was) === JSON.stringify(is)) return [];
  if (isMapping(was) && isMapping(is)) {
    const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
    return names.flatMap(name => difference(at === "" ? name : `${at}.${name}`, was[name], is[name]));
  }
  const file = /^(.*)\.file (.*)$/.exec(at);
  if (file) return [`${file[1]}: the content of ${file[2]}`];
  if (was === undefined) return [`${at}: added`];
  if (is === undefined) return [`${at}: taken away`];
  return [`${at}: ${shown(was)} → ${shown(is)}`];
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === "object" && !Array.isArray(value);
