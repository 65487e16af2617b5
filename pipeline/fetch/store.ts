/**
 * Where downloaded crawl files lie: a folder that mirrors the host (`crawl-data/…`), with a note beside each file that
 * says which version of it this is. `X.part` is what there is of X so far; X exists whole or not at all. Knows no
 * network. The folder is not part of `work/`: a changed recipe or a new version of curate must not cost 64 GB again.
 */
import { readFileSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { writeAtomic } from "../../lib/atomic.ts";
import type { Plan } from "../execute/plan.ts";
import type { Input } from "../inputs.ts";
import { crawlOf, isStreamed } from "./options.ts";

/** What the host said of the version that is, or is coming, on disk. */
export type Version = {
  readonly bytes: number;
  readonly etag: string | null;
  readonly lastModified: string | null;
};

/** The note beside a file; `sha256` once it is whole. */
export type Note = Version & { readonly sha256: string | null };

/** Fingerprint of an input whose host does not have it. */
export const missing = "missing";

export const fingerprintOf = ({ bytes, etag, lastModified }: Version): string =>
  `${etag ?? lastModified ?? "unversioned"} ${bytes}`;

type Where = Pick<Plan, "base" | "workdir"> & {
  readonly recipe: { readonly source: Plan["recipe"]["source"] };
};

/** The folder of a plan's downloads: `crawl/` in the workdir, or the recipe's `cache`. */
export function storeOf({ recipe, base, workdir }: Where): string {
  const cache = crawlOf(recipe.source)?.cache;
  return cache && !isStreamed(recipe.source) ? resolve(base, cache) : join(workdir, "crawl");
}

/** Where an input's bytes lie on this machine, or null for a file the host did not have. */
export function inputPath(plan: Plan, input: Input): string | null {
  const crawl = crawlOf(plan.recipe.source);
  if (!crawl) return resolve(plan.base, input.name);
  const path = join(storeOf(plan), input.name);
  const there = crawl.missing === "fail" || statSync(path, { throwIfNoEntry: false }) !== undefined;
  return input.fingerprint === missing || !there ? null : path;
}

export const partPath = (path: string): string => `${path}.part`;
const notePath = (path: string): string => `${path}.json`;

export function readNote(path: string): Note | null {
  try {
    const { bytes, etag, lastModified, sha256 } = JSON.parse(readFileSync(notePath(path), "utf8")) as Note;
    return Number.isSafeInteger(bytes) ? { bytes, etag, lastModified, sha256 } : null;
  } catch {
    return null;
  }
}

export function writeNote(path: string, note: Note): void {
  writeAtomic(notePath(path), `${JSON.stringify(note)}\n`);
}

/** Removes what is there of a file that is not whole. */
export function forgetPart(path: string): void {
  for (const name of [partPath(path), notePath(path)]) rmSync(name, { force: true });
}

export function sizeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.size ?? null;
}
