/** Files named on the command line, with patterns where the shell did not expand them. */
import { existsSync, statSync } from "node:fs";
import { UserError } from "../lib/errors.ts";
import { expand } from "../pipeline/inputs.ts";

export function expandFiles(patterns: readonly string[]): string[] {
  if (patterns.length === 0) throw new UserError("which files?", "Name at least one.");
  return patterns.flatMap(pattern => {
    const found = existsSync(pattern) ? [pattern] : expand(pattern, process.cwd());
    if (found.length === 0 || !existsSync(found[0]!)) throw new UserError(`there is no file ${pattern}`);
    for (const path of found)
      if (statSync(path).isDirectory()) throw new UserError(`${path} is a folder, expected a file`);
    return found;
  });
}
