/**
 * The user's mistakes: a recipe, a path, an option. Everything else that goes wrong is either data
 * (counted, never thrown) or a bug (a plain Error). `cli` prints a UserError and exits with 2.
 */

/** A mistake the person at the keyboard can mend. `message` says what was expected, got and where; `hint` what to do. */
export class UserError extends Error {
  override readonly name = "UserError";
  readonly hint: string | null;
  constructor(message: string, hint: string | null = null) {
    super(message);
    this.hint = hint;
  }
}

/** A file of ours that is no longer what was written. The engine has the job that wrote it write it again. */
export class DamagedFile extends UserError {
  readonly path: string;
  constructor(path: string, what: string) {
    super(
      `${path} is damaged: ${what}`,
      "Run the same command again: the part that wrote it is redone. If that does not help, start over with --fresh.",
    );
    this.path = path;
  }
}

/** How a value looks in a message: short, quoted, with its type where that helps. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  const text = JSON.stringify(value) ?? String(value);
  const short = text.length > 60 ? text.slice(0, 57) + "..." : text;
  return Array.isArray(value)
    ? `the list ${short}`
    : typeof value === "object"
      ? `the mapping ${short}`
      : short;
}

/** The candidate nearest to `name` by edit distance, if near enough to be what was meant. */
export function nearest(name: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  const folded = name.toLowerCase().replace(/[-_]/g, "");
  for (const candidate of candidates) {
    const distance = editDistance(folded, candidate.toLowerCase().replace(/[-_]/g, ""));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
