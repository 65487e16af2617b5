/**
 * Two runs compared: which values of the recipe differ, what each stage and rule did in both, and what became in the
 * one of the documents that the other kept or dropped, joined by document id. Ids are joined in passes by a hash of
 * the id, so that memory holds one pass (two million documents), not a run. Prints nothing.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Row, readTable } from "../../lib/parquet.ts";
import { hash32, randomOf } from "../../lib/random.ts";
import type { Plan } from "../execute/plan.ts";
import type { StageStats } from "../stats.ts";
import { readPlan, readStats } from "./workdir.ts";

export type Difference = { readonly address: string; readonly a: unknown; readonly b: unknown };
export type RuleCounts = {
  readonly stage: string;
  /** A drop reason, or "in", "out", "failed". */
  readonly reason: string;
  readonly a: number;
  readonly b: number;
};
export type Transition = {
  /** "kept", or stage and reason; "absent" where the run never saw the document. */
  readonly from: string;
  readonly to: string;
  readonly documents: number;
  readonly examples: readonly string[];
};
export type Comparison = {
  readonly recipe: readonly Difference[];
  readonly rules: readonly RuleCounts[];
  readonly documents: {
    readonly keptInBoth: number;
    /** Of those, how many have another text. */
    readonly textDiffers: number;
    readonly keptOnlyInA: number;
    readonly keptOnlyInB: number;
  };
  readonly transitions: readonly Transition[];
};

const perPass = 2_000_000;
const examplesEach = 3;

export function planAndStats(workdir: string): {
  readonly plan: Plan;
  readonly stages: readonly StageStats[];
} {
  return { plan: readPlan(workdir), stages: readStats(workdir) };
}

/** A value's leaves by dotted address. */
function leaves(value: unknown, address: string, into: Map<string, unknown>): void {
  const plain = value !== null && typeof value === "object" && !Array.isArray(value);
  if (!plain || Object.keys(value as object).length === 0) into.set(address, value);
  else
    for (const [key, inner] of Object.entries(value as object))
      leaves(inner, address ? `${address}.${key}` : key, into);
}

function recipeLeaves({ recipe, version }: Plan): Map<string, unknown> {
  const { stages, workdir: _, workers: __, name: ___, ...top } = recipe;
  const into = new Map<string, unknown>([["curate", version]]);
  leaves(top, "", into);
  into.set(
    "stages",
    stages.map(stage => stage.name),
  );
  for (const { name, mode, options } of stages) leaves({ mode, ...options }, name, into);
  return into;
}

export function recipeDifferences(a: Plan, b: Plan): Difference[] {
  const [left, right] = [recipeLeaves(a), recipeLeaves(b)];
  const both = (name: string) =>
    [a, b].every(({ recipe }) => recipe.stages.some(stage => stage.name === name));
  const stages = new Set([...a.recipe.stages, ...b.recipe.stages].map(stage => stage.name));
  return [...new Set([...left.keys(), ...right.keys()])]
    .filter(address => {
      const head = address.split(".")[0]!;
      // Values of a stage that only one run has say no more than the list of stages does.
      return !stages.has(head) || !address.includes(".") || both(head);
    })
    .map(address => ({ address, a: left.get(address) ?? null, b: right.get(address) ?? null }))
    .filter(difference => JSON.stringify(difference.a) !== JSON.stringify(difference.b));
}

export function ruleCounts(a: readonly StageStats[], b: readonly StageStats[]): RuleCounts[] {
  const names = [...new Set([...a, ...b].map(stage => stage.name))];
  return names.flatMap(name => {
    const [left, right] = [a, b].map(list => list.find(stage => stage.name === name));
    const numbers = (stage: StageStats | undefined): Record<string, number> => ({
      in: stage?.in ?? 0,
      ...stage?.dropped,
      ...Object.fromEntries(
        Object.entries(stage?.tagged ?? {}).map(([reason, n]) => [`tagged ${reason}`, n]),
      ),
      ...(stage?.failed ? { failed: stage.failed } : {}),
      out: stage?.out ?? 0,
    });
    const [l, r] = [numbers(left), numbers(right)];
    const reasons = [...new Set([...Object.keys(l), ...Object.keys(r)])];
    const place = (reason: string) => (reason === "in" ? 0 : reason === "out" ? 2 : 1);
    return reasons
      .sort(
        (x, y) =>
          place(x) - place(y) || (l[y] ?? 0) + (r[y] ?? 0) - (l[x] ?? 0) - (r[x] ?? 0) || (x < y ? -1 : 1),
      )
      .map(reason => ({ stage: name, reason, a: l[reason] ?? 0, b: r[reason] ?? 0 }));
  });
}

const filesIn = (dir: string): string[] =>
  existsSync(dir)
    ? readdirSync(dir)
        .sort()
        .map(name => join(dir, name))
    : [];

async function* decisions(workdir: string): AsyncGenerator<Row> {
  for (const phase of filesIn(join(workdir, "decisions")))
    for (const file of filesIn(phase)) yield* readTable(file, ["id", "url", "stage", "reason"]);
}

const fateOf = ({ stage, reason }: Row): string =>
  reason === "kept" ? "kept" : `${String(stage)}: ${String(reason)}`;

type Tally = { documents: number; examples: { at: number; url: string }[] };

/** Joins two runs by document id, some ids at a time. */
export async function compareDocuments(
  a: string,
  b: string,
  passes: number,
): Promise<Pick<Comparison, "documents" | "transitions">> {
  const tallies = new Map<string, Tally>();
  const documents = { keptInBoth: 0, textDiffers: 0, keptOnlyInA: 0, keptOnlyInB: 0 };
  const count = (from: string, to: string, id: string, url: string) => {
    if (from === "kept" && to === "kept") documents.keptInBoth++;
    else if (from === "kept") documents.keptOnlyInA++;
    else if (to === "kept") documents.keptOnlyInB++;
    if (from === to) return;
    const key = `${from}\n${to}`;
    const tally = tallies.get(key) ?? { documents: 0, examples: [] };
    tallies.set(key, tally);
    tally.documents++;
    tally.examples.push({ at: randomOf(1, id), url });
    tally.examples.sort((x, y) => x.at - y.at).length = Math.min(examplesEach, tally.examples.length);
  };
  for (let pass = 0; pass < passes; pass++) {
    const wanted = (id: string) => passes === 1 || hash32(0, id) % passes === pass;
    const fates = new Map<string, { readonly fate: string; readonly url: string }[]>();
    for await (const row of decisions(a)) {
      const id = String(row["id"]);
      if (!wanted(id)) continue;
      const seen = { fate: fateOf(row), url: String(row["url"] ?? id) };
      fates.set(id, [...(fates.get(id) ?? []), seen]);
    }
    for await (const row of decisions(b)) {
      const id = String(row["id"]);
      if (!wanted(id)) continue;
      // An id that a crawl has twice is matched in the order of the inputs.
      const [before, ...rest] = fates.get(id) ?? [];
      count(before?.fate ?? "absent", fateOf(row), id, String(row["url"] ?? id));
      if (rest.length > 0) fates.set(id, rest);
      else fates.delete(id);
    }
    for (const [id, left] of fates) for (const { fate, url } of left) count(fate, "absent", id, url);
    documents.textDiffers += await differingTexts(a, b, wanted);
  }
  const transitions = [...tallies]
    .map(([key, tally]) => {
      const [from, to] = key.split("\n") as [string, string];
      return { from, to, documents: tally.documents, examples: tally.examples.map(({ url }) => url) };
    })
    .sort((x, y) => y.documents - x.documents || (x.from + x.to < y.from + y.to ? -1 : 1));
  return { documents, transitions };
}

async function* textHashes(
  workdir: string,
  wanted: (id: string) => boolean,
): AsyncGenerator<readonly [id: string, hash: number]> {
  for (const file of filesIn(join(workdir, "documents")))
    for await (const row of readTable(file, ["id", "text"])) {
      const [id, text] = [String(row["id"]), String(row["text"] ?? "")];
      if (wanted(id)) yield [id, hash32(1, text) * 2 ** 20 + (hash32(2, text) >>> 12)];
    }
}

async function differingTexts(a: string, b: string, wanted: (id: string) => boolean): Promise<number> {
  const hashes = new Map<string, number>();
  for await (const [id, hash] of textHashes(a, wanted)) hashes.set(id, hash);
  let differing = 0;
  for await (const [id, hash] of textHashes(b, wanted)) {
    const before = hashes.get(id);
    if (before !== undefined && before !== hash) differing++;
  }
  return differing;
}

export async function compareRuns(a: string, b: string): Promise<Comparison> {
  const [left, right] = [planAndStats(a), planAndStats(b)];
  const read = (stages: readonly StageStats[]) => stages.find(stage => stage.name === "read")?.in ?? 0;
  const passes = Math.max(1, Math.ceil(Math.max(read(left.stages), read(right.stages)) / perPass));
  return {
    recipe: recipeDifferences(left.plan, right.plan),
    rules: ruleCounts(left.stages, right.stages),
    ...(await compareDocuments(a, b, passes)),
  };
}
