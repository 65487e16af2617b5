/**
 * What a run's model learned, in a few lines: its validation loss against the untrained model's and against the
 * entropy of the tokens' frequencies (what a model that knows no context could reach), and its samples.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plan } from "../pipeline/execute/plan.ts";
import { countUses, usage } from "../tokenizer/inspect/tokens.ts";
import type { StepMetrics } from "../trainer/metrics.ts";
import { shardsDir } from "./corpus-phases.ts";
import { type Continuation, continuationsPath, modelDir } from "./model-phases.ts";
import { number, printable, styled, table } from "./terminal.ts";

function lines<T>(path: string): T[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter(line => line !== "")
    .map(line => JSON.parse(line) as T);
}

/** Null where no model was trained. */
export function trainingSummary(plan: Plan, colour: boolean): string | null {
  const { workdir } = plan;
  const steps = lines<StepMetrics>(join(modelDir(workdir), "metrics.jsonl"));
  const [first, last] = [steps[0], steps[steps.length - 1]];
  if (!first || !last) return null;
  const validated = steps.filter(step => step.valLoss !== undefined);
  const final = validated[validated.length - 1];
  const { entropy } = usage(countUses(shardsDir(workdir), "train"));
  const bits = final?.valBitsPerByte;
  const rows = [
    ["untrained model", first.loss.toFixed(3), "nats a token"],
    [
      "token frequencies alone",
      (entropy * Math.LN2).toFixed(3),
      "their entropy: what a model without context could reach",
    ],
    [
      "training loss",
      last.loss.toFixed(3),
      `at step ${number(last.step)}, after ${number(last.tokens)} tokens`,
    ],
    ...(final
      ? [
          [
            styled("validation loss", "bold", colour),
            styled(final.valLoss!.toFixed(3), "bold", colour),
            `on documents never trained on${bits ? `; ${bits.toFixed(3)} bits a byte` : ""}`,
          ],
        ]
      : []),
  ];
  const samples = lines<Continuation>(continuationsPath(workdir)).map(
    ({ prompt, text }) =>
      `${styled("›", "cyan", colour)} ${styled(prompt, "bold", colour)}${printable(text.trimEnd())}`,
  );
  return `${table(rows, ["left", "right", "left"])}\n\n${samples.length > 0 ? `${samples.join("\n\n")}\n` : ""}`;
}
