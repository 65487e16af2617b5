/**
 * `manifest.json` beside the shards: every file with its checksum and counts, and the tokenizer they belong to.
 * Written last, so its presence says that the set is whole. Knows nothing of what is inside a shard.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type OutputFile, sha256File, writeAtomic } from "../../lib/atomic.ts";
import { shown, UserError } from "../../lib/errors.ts";
import { type ShardHeader, type Split, shardVersion } from "./format.ts";
import type { ShardFile } from "./write.ts";

export type ManifestFile = {
  /** File name within the folder. */
  readonly path: string;
  readonly split: Split;
  readonly bytes: number;
  readonly sha256: string;
  readonly documents: number;
  readonly tokens: number;
};

export type Manifest = {
  readonly version: string;
  readonly tokenizer: string;
  readonly vocabularySize: number;
  readonly eot: number;
  readonly documents: number;
  readonly tokens: number;
  readonly files: readonly ManifestFile[];
};

const manifestName = "manifest.json";

/** Writes the manifest of `files`; order within it is by name, so it does not depend on which was done first. */
export function writeManifest(
  dir: string,
  tokenizer: Omit<ShardHeader, "split">,
  files: readonly (ShardFile & { readonly split: Split })[],
): OutputFile {
  const listed = files
    .map(({ path, split, bytes, sha256, documents, tokens }) => ({
      path: basename(path),
      split,
      bytes,
      sha256,
      documents,
      tokens,
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const manifest: Manifest = {
    version: shardVersion,
    tokenizer: tokenizer.tokenizerHash,
    vocabularySize: tokenizer.vocabularySize,
    eot: tokenizer.eot,
    documents: listed.reduce((sum, file) => sum + file.documents, 0),
    tokens: listed.reduce((sum, file) => sum + file.tokens, 0),
    files: listed,
  };
  return writeAtomic(join(dir, manifestName), JSON.stringify(manifest, null, 2) + "\n");
}

/** The manifest of a folder, or null where there is none. UserError where it cannot be read or a file's size differs. */
export function readManifest(dir: string): Manifest | null {
  const path = join(dir, manifestName);
  if (!existsSync(path)) return null;
  const again = "delete the folder and run the shards stage again";
  let manifest: Manifest;
  try {
    manifest = JSON.parse(readFileSync(path, "utf8")) as Manifest;
  } catch {
    throw new UserError(`${path} is not JSON`, again);
  }
  if (manifest?.version !== shardVersion || !Array.isArray(manifest.files))
    throw new UserError(`${path}: expected a shard manifest of version ${shardVersion}`, again);
  for (const file of manifest.files as readonly (Partial<ManifestFile> | null)[])
    if (typeof file?.path !== "string" || basename(file.path) !== file.path)
      throw new UserError(`${path}: expected the name of a file beside it, got ${shown(file?.path)}`, again);
  for (const file of manifest.files) {
    const shard = join(dir, file.path);
    if (!existsSync(shard)) throw new UserError(`${path} names ${file.path}, which does not exist`, again);
    const bytes = statSync(shard).size;
    if (bytes !== file.bytes)
      throw new UserError(`${shard}: expected ${file.bytes} bytes as in the manifest, got ${bytes}`, again);
  }
  return manifest;
}

/** Reads every file of a set and compares checksums. UserError at the first that differs. */
export function verifyShards(dir: string): Manifest {
  const manifest = readManifest(dir);
  if (!manifest) throw new UserError(`expected ${join(dir, manifestName)}, which does not exist`);
  for (const file of manifest.files) {
    const sha256 = sha256File(join(dir, file.path));
    if (sha256 !== file.sha256)
      throw new UserError(
        `${join(dir, file.path)}: expected sha256 ${file.sha256}, got ${sha256}`,
        "the file was changed or damaged; delete it and run the shards stage again",
      );
  }
  return manifest;
}
