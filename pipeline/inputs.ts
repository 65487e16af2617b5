/**
 * Which files a recipe's source names: globs expanded, sorted, fingerprinted. The order and the content of this list
 * decide the tasks, so it depends on names and bytes alone, never on time stamps or on the folder's own order.
 * Knows nothing of what is in the files.
 */
import { createHash } from "node:crypto";
import { accessSync, closeSync, constants, openSync, readdirSync, readSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { UserError } from "../lib/errors.ts";

export type Input = {
  /** As the recipe names it: relative patterns stay relative to the recipe's folder. */
  readonly name: string;
  readonly bytes: number;
  /** sha256 over the size and the first and last 64 KiB. */
  readonly fingerprint: string;
};

/** Expands `*`, `?` and `**` in a pattern below `base`; names come back sorted. A plain name comes back as it is. */
export function expand(pattern: string, base: string): string[] {
  if (!/[*?]/.test(pattern)) return [pattern];
  const parts = pattern.split("/");
  const fixed = parts.findIndex(part => /[*?]/.test(part));
  const root = parts.slice(0, fixed).join("/") || (isAbsolute(pattern) ? "/" : "");
  const found: string[] = [];
  const walk = (prefix: string, rest: readonly string[]) => {
    const [part, ...further] = rest;
    if (part === undefined) return;
    let entries: import("node:fs").Dirent[];
    try {
      entries = readdirSync(resolve(base, prefix || "."), { withFileTypes: true });
    } catch {
      return;
    }
    if (part === "**") walk(prefix, further);
    for (const entry of entries) {
      const path = prefix === "" ? entry.name : join(prefix, entry.name);
      const isDirectory =
        entry.isDirectory() ||
        (entry.isSymbolicLink() &&
          statSync(resolve(base, path), { throwIfNoEntry: false })?.isDirectory() === true);
      if (part === "**") {
        if (isDirectory) walk(path, rest);
      } else if (matches(entry.name, part)) {
        if (further.length > 0 && isDirectory) walk(path, further);
        if (further.length === 0 && !isDirectory) found.push(path);
      }
    }
  };
  walk(root, parts.slice(fixed));
  return [...new Set(found)].sort();
}

/** Whether a name fits a pattern of `*` and `?`; a leading dot has to be written. */
export function matches(name: string, pattern: string): boolean {
  if (name.startsWith(".") && !pattern.startsWith(".")) return false;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${source}$`, "s").test(name);
}

/** Every input of a list of patterns, each once, in sorted order per pattern. Throws UserError when one is missing or unreadable. */
export function resolveInputs(patterns: readonly string[], base: string, where: string): Input[] {
  const names: string[] = [];
  for (const pattern of patterns) {
    const found = expand(pattern, base);
    if (found.length === 0) {
      throw new UserError(
        `${where}: no file matches ${JSON.stringify(pattern)} (looked below ${base})`,
        "Check the path; relative paths start at the recipe's folder.",
      );
    }
    for (const name of found) if (!names.includes(name)) names.push(name);
  }
  if (names.length === 0)
    throw new UserError(`${where}: the list of inputs is empty`, "Name at least one file.");
  return names.map(name => describe(name, resolve(base, name), where));
}

function describe(name: string, path: string, where: string): Input {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat)
    throw new UserError(
      `${where}: there is no file ${path}`,
      "Check the path; relative paths start at the recipe's folder.",
    );
  if (stat.isDirectory())
    throw new UserError(
      `${where}: ${path} is a folder, expected a file`,
      `Write ${JSON.stringify(`${name}/*`)} for the files in it.`,
    );
  try {
    accessSync(path, constants.R_OK);
  } catch {
    throw new UserError(
      `${where}: cannot read ${path}: permission denied`,
      "Change its permissions, or take it out of the recipe.",
    );
  }
  return { name, bytes: stat.size, fingerprint: fingerprint(path, stat.size) };
}

function fingerprint(path: string, bytes: number): string {
  const edge = 65536;
  const hash = createHash("sha256").update(`${bytes}\n`);
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(edge);
    hash.update(buffer.subarray(0, readSync(fd, buffer, 0, edge, 0)));
    if (bytes > edge) hash.update(buffer.subarray(0, readSync(fd, buffer, 0, edge, bytes - edge)));
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}
