/** The tokenizer that a command's flags name. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { shown, UserError } from "../lib/errors.ts";
import { loadTokenizer } from "../tokenizer/files.ts";
import { patternNames } from "../tokenizer/pretokenizer/patterns.ts";

/** The choice that a flag names. Throws UserError. */
export function oneOf<T extends string>(
  flag: string,
  value: string | undefined,
  choices: readonly T[],
  fallback: T,
): T {
  if (value === undefined) return fallback;
  const found = choices.find(choice => choice === value);
  if (!found) throw new UserError(`--${flag}: expected one of ${choices.join(", ")}, got ${shown(value)}`);
  return found;
}

/** The tokenizer named, or the one of the run in stages.yaml here. */
export async function tokenizerOf(given: {
  readonly tokenizer?: string | undefined;
  readonly workdir?: string | undefined;
  readonly pattern?: string | undefined;
  readonly unicode?: string | undefined;
}) {
  const options = {
    ...(given.pattern === undefined
      ? {}
      : { pattern: oneOf("pattern", given.pattern, patternNames, "gpt2") }),
    ...(given.unicode === undefined ? {} : { unicode: given.unicode }),
  };
  if (given.tokenizer !== undefined) return loadTokenizer(given.tokenizer, options);
  const { workdirOf } = await import("./load.ts");
  const dir = join(workdirOf(given.workdir), "tokenizer");
  if (!existsSync(dir))
    throw new UserError(
      `there is no tokenizer ${dir}`,
      "Name one with --tokenizer, or run the recipe as far as its tokenizer stage.",
    );
  return loadTokenizer(dir, options);
}
