/** `curate diff runA runB`: two runs side by side, rule by rule and document by document. */
import { shown, UserError } from "../lib/errors.ts";
import { type Comparison, compareRuns } from "../pipeline/report/compare.ts";
import { readStats } from "../pipeline/report/workdir.ts";
import type { FlagValues } from "./command.ts";
import type { diffFlags } from "./diff.ts";
import { workdirOf } from "./load.ts";
import { colourful, json, number, out, printable, styled, table } from "./terminal.ts";

export async function diffRuns([a, b]: readonly string[], flags: FlagValues<typeof diffFlags>) {
  if (a === undefined || b === undefined)
    throw new UserError(
      `diff: expected two workdirs, got ${a === undefined ? "none" : "one"}`,
      "For example  curate diff runs/before runs/after",
    );
  const [left, right] = [workdirOf(a), workdirOf(b)];
  for (const workdir of [left, right]) readStats(workdir);
  const comparison = await compareRuns(left, right);
  if (flags.json) return json(comparison);
  out(comparisonText(comparison, flags.all));
}

const shownTransitions = 20;

function comparisonText({ recipe, rules, documents, transitions }: Comparison, all: boolean): string {
  const colour = colourful(process.stdout);
  const title = (text: string) => styled(text, "bold", colour);
  const parts: string[] = [];
  parts.push(
    recipe.length === 0
      ? `${title("Recipe")}: the same values`
      : `${title("Recipe")}\n${table(
          [["", "A", "B"], ...recipe.map(({ address, a, b }) => [address, shown(a), shown(b)])],
          ["left", "left", "left"],
        )}`,
  );
  const changed = new Set(rules.filter(rule => rule.a !== rule.b).map(rule => rule.stage));
  const listed = rules.filter(
    rule => all || (changed.has(rule.stage) && (rule.a !== rule.b || isFlow(rule.reason))),
  );
  let before = "";
  const rows = listed.map(({ stage, reason, a, b }) => {
    const name = stage === before ? "" : title(stage);
    before = stage;
    const change = b - a;
    const sign = change > 0 ? "+" : change < 0 ? "−" : "";
    return [name, reason, number(a), number(b), change === 0 ? "" : `${sign}${number(Math.abs(change))}`];
  });
  parts.push(
    rows.length === 0
      ? `${title("Rules")}: every stage did the same`
      : `${title("Rules")}\n${table([["stage", "", "A", "B", "change"], ...rows], ["left", "left", "right", "right", "right"])}`,
  );
  parts.push(
    `${title("Documents")}\n${table(
      [
        ["kept in both", number(documents.keptInBoth)],
        ["of those with another text", number(documents.textDiffers)],
        ["kept only in A", number(documents.keptOnlyInA)],
        ["kept only in B", number(documents.keptOnlyInB)],
      ],
      ["left", "right"],
    )}`,
  );
  const some = all ? transitions : transitions.slice(0, shownTransitions);
  if (some.length > 0) {
    const lines = some.map(
      ({ from, to, documents: n, examples }) =>
        `${number(n).padStart(8)}  ${from} → ${to}\n${examples.map(url => `          ${styled(printable(url), "dim", colour)}`).join("\n")}`,
    );
    const more = transitions.length - some.length;
    parts.push(
      `${title("What became of documents that fared differently, A → B")}\n${lines.join("\n")}${more > 0 ? `\n${more} more kinds; --all lists them` : ""}`,
    );
  }
  return parts.join("\n\n");
}

const isFlow = (reason: string): boolean => reason === "in" || reason === "out";
