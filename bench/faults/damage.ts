/**
 * One file of each kind that a run writes is flipped, cut or deleted: found by its checksum when an interrupted run
 * goes on, found by the job that reads it when it is damaged later, and the files of the engine's own bookkeeping.
 */
import { cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compared } from "./compare.ts";
import type { Fault, Setting, Trial } from "./fault.ts";
import { chances, launch, type Snapshot } from "./project.ts";

const hurts = ["flipped", "cut", "deleted"] as const;
type Hurt = (typeof hurts)[number];

function damage(path: string, hurt: Hurt, where: number): void {
  const { size } = statSync(path);
  if (hurt === "deleted" || size === 0) return rmSync(path);
  if (hurt === "cut") return truncateSync(path, Math.floor(where * size));
  const bytes = readFileSync(path);
  bytes[Math.floor(where * size)]! ^= 1 << Math.floor(where * 8);
  writeFileSync(path, bytes);
}

/** Kinds of files: folder and ending, each with the files of it. */
function kinds(expected: Snapshot, wanted: (name: string) => boolean): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const name of [...expected.keys()].filter(wanted)) {
    const kind = name.replace(/\d{5,}/g, "N");
    found.set(kind, [...(found.get(kind) ?? []), name]);
  }
  return found;
}

const isBookkeeping = (name: string): boolean => /\/jobs\/|begun\.json$/.test(name);
/** Written anew by every run, or grown by training as it goes on. */
const isOutput = (name: string): boolean =>
  !isBookkeeping(name) && !/^(?:stats\.json|recipe\.yaml|model\/[^/]+)$/.test(name);

/** A finished workdir's copy whose run did not end: the last phase is missing and run.json says so. */
function interrupted(setting: Setting): string {
  const workdir = copied(setting);
  rmSync(join(workdir, "work", "sample"), { recursive: true });
  const state = JSON.parse(readFileSync(join(workdir, "run.json"), "utf8"));
  writeFileSync(join(workdir, "run.json"), JSON.stringify({ ...state, state: "running" }));
  return workdir;
}

function copied({ project, whole }: Setting): string {
  const workdir = join(project.dir, "damaged");
  rmSync(workdir, { recursive: true, force: true });
  cpSync(whole, workdir, { recursive: true });
  return workdir;
}

async function repaired(
  setting: Setting,
  workdir: string,
  name: string,
  hurt: Hurt,
  mustSay: boolean,
): Promise<Trial> {
  const { code, stderr } = await launch(setting.project.dir, workdir).done;
  const what = `${name} ${hurt}`;
  if (code !== 0) return { recovered: false, lost: 0, doubled: 0, note: `${what}: ${stderr.slice(-300)}` };
  const said = !mustSay || stderr.includes("damaged or missing");
  const trial = await compared(setting.whole, setting.expected, workdir, said ? "" : "nothing said");
  return trial.recovered ? trial : { ...trial, note: `${what}; ${trial.note}` };
}

function pick<T>(list: readonly T[], chance: number): T {
  return list[Math.floor(chance * list.length)]!;
}

const beforeResume: Fault = {
  name: "file damaged, then resumed",
  async run(setting, on) {
    const of = chances(setting.seed);
    const all = [...kinds(setting.expected, isOutput)];
    for (const [kind, names] of setting.short ? all.filter((_, i) => i % 20 === 3) : all) {
      const workdir = interrupted(setting);
      // Of the checkpoints only the last is a result; training passes over older ones that are damaged.
      const isCheckpoint = kind.startsWith("model/checkpoints/");
      const name = isCheckpoint ? names.at(-1)! : pick(names, of(`${kind} file`));
      const hurt = pick(hurts, of(`${kind} hurt`));
      damage(join(workdir, name), hurt, of(`${kind} where`));
      on(await repaired(setting, workdir, name, hurt, !name.startsWith("model/continuations")));
    }
    return null;
  },
};

/**
 * The phases in order whose files later phases read whole, each with what it writes. (Of the ids of documents only
 * those of clusters are read, each with its own checksum; a damaged one that nobody reads harms nothing.)
 */
const readLater: readonly (readonly [string, RegExp])[] = [
  ["documents-1", /^work\/documents-1\/.*passage$/],
  ["documents-1", /^work\/exact-dedup\/collected\/.*(?:keys|facts)$/],
  ["exact-dedup-buckets", /^work\/exact-dedup\/buckets\//],
  ["exact-dedup-removals", /^work\/exact-dedup\/removals\//],
  ["documents-2", /^work\/documents-2\/.*passage$/],
  ["documents-2", /^work\/minhash\/collected\/.*(?:keys|facts)$/],
  ["minhash-buckets", /^work\/minhash\/buckets\//],
  ["minhash-clusters", /^work\/minhash\/clusters\//],
  ["minhash-removals", /^work\/minhash\/removals\//],
  ["documents-3", /^documents\//],
  ["tokenizer-count", /^work\/tokenizer-count\/.*counts$/],
  ["tokenizer", /^tokenizer\/tokenizer\.json$/],
  ["shards", /^shards\/.*arrow$/],
  ["train", /^model\/checkpoints\/[^/]*\/model/],
];

const beforeReading: Fault = {
  name: "file damaged before it is read",
  async run(setting, on) {
    const of = chances(setting.seed);
    const order = setting.phases.map(({ name }) => name);
    const list = readLater.filter((_, i) => !setting.short || i === 4);
    for (const [phase, pattern] of list) {
      const names = [...setting.expected.keys()].filter(name => pattern.test(name));
      for (const hurt of setting.short ? (["flipped"] as const) : (["flipped", "cut"] as const)) {
        // run.json says done, so nothing is compared with its checksum before the work begins.
        const workdir = copied(setting);
        for (const later of order.slice(order.indexOf(phase) + 1))
          rmSync(join(workdir, "work", later, "begun.json"), { force: true });
        const name = pick(names, of(`${pattern} file`));
        damage(join(workdir, name), hurt, of(`${pattern} ${hurt}`));
        on(await repaired(setting, workdir, name, hurt, true));
      }
    }
    return null;
  },
};

const bookkeeping: Fault = {
  name: "bookkeeping damaged",
  async run(setting, on) {
    const of = chances(setting.seed + 1);
    const reports = [...kinds(setting.expected, isBookkeeping).values()].map(names =>
      pick(names, of(names[0]!)),
    );
    const list = ["run.json", "stats.json", "recipe.yaml", "work/plan.json", ...reports];
    for (const [i, name] of list.entries()) {
      if (setting.short && i !== 0) continue;
      const hurt = pick(hurts, of(`${name} hurt`));
      const workdir = interrupted(setting);
      if (!existsSync(join(workdir, name))) continue;
      damage(join(workdir, name), hurt, of(`${name} where`));
      on(await repaired(setting, workdir, name, hurt, false));
    }
    return null;
  },
};

export const damages: readonly Fault[] = [beforeResume, beforeReading, bookkeeping];
