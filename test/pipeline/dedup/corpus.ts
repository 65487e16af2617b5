/** Runs a deduplication stage over documents in tasks, in a folder of its own, as the engine does, and gives what became of each. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OutputFile } from "../../../lib/atomic.ts";
import { defaults, type Options } from "../../../lib/options.ts";
import { random } from "../../../lib/random.ts";
import type { CorpusStage, Membership } from "../../../pipeline/corpus-stage.ts";
import type { Document } from "../../../pipeline/document.ts";
import type { Verdict } from "../../../pipeline/stage.ts";

export type Outcome = { readonly verdict: Verdict; readonly membership: Membership | null };

export function document(id: string, text: string, date = ""): Document {
  return { id, url: null, date, text, page: null, meta: {}, at: { file: "made", offset: 0, length: 0 } };
}

export type Pass = {
  readonly stage: CorpusStage;
  readonly tasks: readonly (readonly Document[])[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly memory?: number;
  /** Order in which tasks and jobs are run; results must not depend on it. */
  readonly backwards?: boolean;
};

export const temporary = (): string => mkdtempSync(join(tmpdir(), "curate-dedup-"));

export async function collectAndCluster(
  { stage, tasks, memory = 1e8, backwards = false, options }: Pass,
  dir: string,
) {
  const values = { ...defaults(stage.options as Options), ...options };
  const context = { dir, memory, seed: 1 };
  const order = (n: number) => {
    const numbers = Array.from({ length: n }, (_, i) => i);
    return backwards ? numbers.reverse() : numbers;
  };
  const files: OutputFile[] = [];
  for (const task of order(tasks.length)) {
    const collector = await stage.collect(values, { ...context, task });
    tasks[task]!.forEach((item, i) => {
      collector.add(item, i);
    });
    files.push(...(await collector.finish()));
  }
  for (const round of stage.rounds(values, tasks.length))
    for (const job of order(round.jobs)) files.push(...(await round.run(job, context)));
  return files;
}

export async function applied(
  { stage, tasks, memory = 1e8, options }: Pass,
  dir: string,
): Promise<Map<string, Outcome>> {
  const values = { ...defaults(stage.options as Options), ...options };
  const outcomes = new Map<string, Outcome>();
  for (const [task, documents] of tasks.entries()) {
    const judge = await stage.apply(values, { dir, memory, seed: 1, task });
    documents.forEach((item, i) => {
      outcomes.set(item.id, judge(item, i));
    });
  }
  return outcomes;
}

export async function deduplicated(pass: Pass): Promise<Map<string, Outcome>> {
  const dir = temporary();
  try {
    await collectAndCluster(pass, dir);
    return await applied(pass, dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const keptIds = (outcomes: ReadonlyMap<string, Outcome>): string[] =>
  [...outcomes].filter(([, { verdict }]) => "keep" in verdict).map(([id]) => id);

/** Distinct made-up words; the same seed gives the same text. */
export function madeText(seed: number, words: number): string {
  const next = random(seed);
  return Array.from({ length: words }, () => `w${next.next().toString(36)}`).join(" ");
}
