/**
 * Decisions of a filter at other thresholds, from what it measured: which options a run can replay, with which values,
 * and what becomes of each document. Reads no text and no files; the measures are handed in.
 */
import { nearest, shown, UserError } from "../../lib/errors.ts";
import { defaults } from "../../lib/options.ts";
import type { Plan } from "../execute/plan.ts";
import type { Mark, Measures, Rejection, Stage } from "../stage.ts";
import { documentStages } from "../stages.ts";

type Values = Readonly<Record<string, unknown>>;
export type Judged = { readonly stage: Stage; readonly options: Values };
/** A rule's line with the option that moves it. */
export type Line = Mark & { readonly option: string };
export type Change = { readonly was: unknown; readonly now: unknown; readonly options: Values };

const near = (name: string, known: readonly string[]) => {
  const found = nearest(name, known);
  return found ? ` Did you mean ${found}?` : ` Known: ${known.join(", ")}`;
};

/** A stage of the run that judges documents, and its options. Throws UserError where there is none of that name. */
export function judgedStage(plan: Plan, name: string): Judged {
  const entry = plan.recipe.stages.find(stage => stage.name === name);
  const stage = documentStages.get(name) as Stage | undefined;
  const names = plan.recipe.stages.map(one => one.name);
  if (!entry || !stage) throw new UserError(`the run has no filter ${shown(name)}.${near(name, names)}`);
  // A run of an older version lacks the options that came since.
  return { stage, options: { ...defaults(stage.options), ...entry.options } };
}

/** The options with one changed; `raw` as YAML gives it. Throws UserError where that cannot be replayed exactly. */
export function changed({ stage, options }: Judged, option: string, raw: unknown): Change {
  const { name } = stage;
  if (!stage.reject)
    throw new UserError(
      `${name} decides from the text itself, so its thresholds cannot be replayed`,
      "Run it again with --set instead.",
    );
  const declared = stage.options[option];
  if (!declared)
    throw new UserError(`${name} has no option ${shown(option)}.${near(option, Object.keys(stage.options))}`);
  if (stage.measuring?.includes(option)) {
    const exact = Object.keys(stage.options).filter(other => !stage.measuring?.includes(other));
    throw new UserError(
      `${name}.${option} changes what ${name} measures or removes, so the recorded measures cannot tell`,
      `Run it again with --set, and compare the two runs with  curate diff. Replayed exactly: ${exact.join(", ")}`,
    );
  }
  const now = declared.parse(raw);
  if (now === undefined)
    throw new UserError(`${name}.${option}: expected ${declared.expects}, got ${shown(raw)}`);
  return { was: options[option], now, options: { ...options, [option]: now } };
}

export type Counts = {
  in: number;
  keptBefore: number;
  keptNow: number;
  newlyKept: number;
  newlyDropped: number;
  readonly reasonsNow: Record<string, number>;
};

/** Counts documents one by one: `kept` is what the run decided, `measures` what it decided from. */
export function openReplay(
  stage: Stage,
  options: Values,
): { add(measures: Measures, kept: boolean): void; readonly counts: Counts } {
  const counts: Counts = {
    ...{ in: 0, keptBefore: 0, keptNow: 0, newlyKept: 0, newlyDropped: 0 },
    reasonsNow: {},
  };
  return {
    counts,
    add(measures, kept) {
      const rejection: Rejection | null = stage.reject!(measures, options as never);
      counts.in++;
      if (kept) counts.keptBefore++;
      if (!rejection) counts.keptNow++;
      if (!rejection && !kept) counts.newlyKept++;
      if (rejection && kept) counts.newlyDropped++;
      if (rejection) counts.reasonsNow[rejection.reason] = (counts.reasonsNow[rejection.reason] ?? 0) + 1;
    },
  };
}

/**
 * Counts `rows` documents whose measures lie in columns. One object stands for each of them in turn, so that a rule
 * costs only the cells it looks at.
 */
export function addColumns(
  replay: Pick<ReturnType<typeof openReplay>, "add">,
  columns: ReadonlyMap<string, ArrayLike<unknown>>,
  rows: number,
  kept: (at: number) => boolean,
): void {
  let at = 0;
  const measures = {};
  for (const [name, cells] of columns)
    Object.defineProperty(measures, name, { enumerable: true, get: () => cells[at] });
  for (; at < rows; at++) replay.add(measures, kept(at));
}

/** The lines of a filter's rules; the option of each is the one whose change moves it. */
export function linesOf(stage: Pick<Stage, "marks">, options: Values): Line[] {
  const marks = stage.marks?.(options as never) ?? [];
  return marks.flatMap((mark, i) => {
    const option = Object.keys(options).find(name => {
      if (options[name] !== mark.at) return false;
      const moved = mark.at === 0 ? 1e-3 : mark.at * 1.001;
      return stage.marks!({ ...options, [name]: moved } as never)[i]?.at === moved;
    });
    return option ? [{ ...mark, option }] : [];
  });
}
