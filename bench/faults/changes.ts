/**
 * A recipe, a list or the inputs change between two runs in one workdir: the outcome must be that of a run that never
 * knew the old recipe, the run must say what changed, and phases that do not depend on it must be left alone.
 */
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { compared, failure } from "./compare.ts";
import type { Fault, Setting, Trial } from "./fault.ts";
import { finished, fixtureFiles, launch, recipe, snapshot, stages } from "./project.ts";

type Change = {
  /** Part of the line that says what changed. */
  readonly says: string;
  /** Phases that must not be redone. */
  readonly keeps: readonly string[];
  apply(dir: string): void;
};

const replaced = (from: string | RegExp, to: string) => (dir: string) =>
  writeFileSync(join(dir, "stages.yaml"), recipe(stages.replace(from, to)));

const list: readonly Change[] = [
  {
    says: "the content of blocked.txt",
    keeps: [],
    apply: dir => writeFileSync(join(dir, "blocked.txt"), "harbourkitchen.example\n"),
  },
  {
    says: "minhash.keep",
    keeps: ["documents-1", "exact-dedup-removals", "documents-2"],
    apply: replaced("- minhash", "- minhash: { keep: longest }"),
  },
  {
    says: "train.steps: 30 → 20",
    keeps: ["documents-1", "documents-3", "tokenizer", "shards"],
    apply: replaced("steps: 30", "steps: 20"),
  },
  {
    says: "gopher-quality.minWords: 50 → 200",
    keeps: [],
    apply: replaced("- gopher-quality", "- gopher-quality: { minWords: 200 }"),
  },
  {
    says: "the list of inputs",
    keeps: [],
    apply: dir => {
      const path = fixtureFiles()[4]!;
      copyFileSync(path, join(dir, "crawl", `zz-${basename(path)}`));
    },
  },
  {
    says: "the list of inputs",
    keeps: [],
    apply: dir => rmSync(join(dir, "crawl", basename(fixtureFiles()[0]!))),
  },
  {
    says: "the list of inputs",
    keeps: [],
    apply: dir => copyFileSync(fixtureFiles()[5]!, join(dir, "crawl", basename(fixtureFiles()[1]!))),
  },
  {
    says: "minhash-buckets is no longer part of the recipe",
    keeps: ["documents-1"],
    apply: replaced(/ {2}- minhash\n/, ""),
  },
  { says: "order", keeps: [], apply: replaced("  - pii\n", "  - fineweb-quality\n  - pii\n") },
  {
    says: "tokenizer.vocabSize: 400 → 380",
    keeps: ["documents-3", "tokenizer-count"],
    apply: replaced("vocabSize: 400", "vocabSize: 380"),
  },
  {
    says: "keepRejected",
    keeps: [],
    apply: dir => replaceInFile(dir, "keepRejected: all", "keepRejected: { sample: 0 }"),
  },
];

function replaceInFile(dir: string, from: string, to: string): void {
  const path = join(dir, "stages.yaml");
  writeFileSync(path, readFileSync(path, "utf8").replace(from, to));
}

async function tried({ project, whole }: Setting, change: Change): Promise<Trial> {
  const dir = join(project.dir, "changing");
  rmSync(dir, { recursive: true, force: true });
  for (const name of ["crawl", "blocked.txt", "stages.yaml"])
    cpSync(join(project.dir, name), join(dir, name), { recursive: true });
  const [workdir, fresh] = [join(dir, "old"), join(dir, "fresh")];
  cpSync(whole, workdir, { recursive: true });
  change.apply(dir);
  const { code, stderr } = await launch(dir, workdir).done;
  if (code !== 0) return failure(`${change.says}: ended with ${code}: ${stderr.slice(-300)}`);
  await finished(dir, fresh);
  const notes = [
    ...(stderr.includes(change.says) ? [] : [`does not say ${change.says}: ${stderr.slice(0, 400)}`]),
    ...change.keeps
      .filter(phase => !stderr.includes(`✓ ${phase}: already done`))
      .map(phase => `redid ${phase}`),
  ];
  return compared(fresh, snapshot(fresh), workdir, notes.join("; "));
}

export const changes: readonly Fault[] = [
  {
    name: "changed recipe, list or inputs",
    async run(setting, on) {
      for (const change of setting.short ? list.slice(1, 2) : list) on(await tried(setting, change));
      return null;
    },
  },
];
