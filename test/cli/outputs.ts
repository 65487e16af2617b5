/** Every output that must not depend on where and how a run went, as name and checksum. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sha256File } from "../../lib/atomic.ts";

const folders = [
  "documents",
  "decisions",
  "measures",
  "rejected",
  "duplicates",
  "errors",
  "tokenizer",
  "shards",
];

export function outputsOf(workdir: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const folder of folders.filter(name => existsSync(join(workdir, name)))) {
    for (const name of readdirSync(join(workdir, folder), { recursive: true, encoding: "utf8" }).sort())
      if (/\.\w+$/.test(name)) found[`${folder}/${name}`] = sha256File(join(workdir, folder, name));
  }
  return found;
}

/** stats.json without times. */
export function countsOf(workdir: string): unknown[] {
  const { stages } = JSON.parse(readFileSync(join(workdir, "stats.json"), "utf8")) as {
    stages: Record<string, unknown>[];
  };
  return stages.map(({ cpuSeconds: _, wallSeconds: __, ...counts }) => counts);
}
