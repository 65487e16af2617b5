/**
 * One file of each kind that a run writes is flipped, cut or deleted: found by its checksum when an interrupted run
 * goes on, found by the job that reads it when it is damaged later, and the files of the engine's own bookkeeping.
 */
import { cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { compared } from "./compare.ts";
import type { Fault, Setting, Trial } from "./fault.ts";
import { chances, difference, launch, type Snapshot, snapshot } from "./project.ts";

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
  more: readonly string[] = [],
): Promise<Trial> {
  const { code, stderr } = await launch(setting.project.dir, workdir, more).done;
  const what = `${name} ${hurt}`;
  if (code !== 0) return { recovered: false, lost: 0, doubled: 0, note: `${what}: ${stderr.slice(-300)}` };
  const said = !mustSay || stderr.includes("damaged or missing");
  const trial = await compared(setting.whole, setting.expected, workdir, said ? "" : "nothing said");
  return trial.recovered ? trial : { ...trial, note: `${what}; ${trial.note}` };
}

function pick<T>(list: readonly T[], chance: number): T {
  return list[Math.floor(chance * list.length)]!;
}

/** One file of a kind; of the checkpoints' the last one's, for older ones have a fault of their own. */
const newestOf = (kind: string, names: readonly string[], of: (what: string) => number): string =>
  kind.startsWith("model/checkpoints/") ? names.at(-1)! : pick(names, of(`${kind} file`));

const beforeResume: Fault = {
  name: "file damaged, then resumed",
  async run(setting, on) {
    const of = chances(setting.seed);
    const all = [...kinds(setting.expected, isOutput)];
    for (const [kind, names] of setting.short ? all.filter((_, i) => i % 20 === 3) : all) {
      const workdir = interrupted(setting);
      const name = newestOf(kind, names, of);
      const hurt = pick(hurts, of(`${kind} hurt`));
      damage(join(workdir, name), hurt, of(`${kind} where`));
      on(await repaired(setting, workdir, name, hurt, !name.startsWith("model/continuations")));
    }
    return null;
  },
};

/** The phases in order whose files later phases read, each with what it writes. */
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

/** A copy in which everything after a phase is to be done, and which says done: nothing is compared before the work. */
function undone(setting: Setting, phase: string): string {
  const workdir = copied(setting);
  const order = setting.phases.map(({ name }) => name);
  for (const later of order.slice(order.indexOf(phase) + 1))
    rmSync(join(workdir, "work", later, "begun.json"), { force: true });
  return workdir;
}

const beforeReading: Fault = {
  name: "file damaged before it is read",
  async run(setting, on) {
    const of = chances(setting.seed);
    const list = readLater.filter((_, i) => !setting.short || i === 4);
    for (const [phase, pattern] of list) {
      const names = [...setting.expected.keys()].filter(name => pattern.test(name));
      for (const hurt of setting.short ? (["flipped"] as const) : (["flipped", "cut"] as const)) {
        const workdir = undone(setting, phase);
        const name = pick(names, of(`${pattern} file`));
        damage(join(workdir, name), hurt, of(`${pattern} ${hurt}`));
        on(await repaired(setting, workdir, name, hurt, true));
      }
    }
    return null;
  },
};

/**
 * Of the ids of documents a run reads those of clusters, each with its own checksum. Damage to the others changes
 * nothing and is not seen; the outputs must be right, and --verify must find and mend it.
 */
const partlyRead: Fault = {
  name: "damage in a part of a file that is not read, then --verify",
  async run(setting, on) {
    const of = chances(setting.seed);
    const lists: readonly (readonly [string, RegExp])[] = [
      ["documents-1", /^work\/exact-dedup\/collected\/.*ids$/],
      ["documents-2", /^work\/minhash\/collected\/.*ids$/],
    ];
    for (const [phase, pattern] of setting.short ? [] : lists) {
      for (const name of [...setting.expected.keys()].filter(name => pattern.test(name))) {
        const workdir = undone(setting, phase);
        damage(join(workdir, name), "flipped", of(name));
        await launch(setting.project.dir, workdir).done;
        const wrong = difference(setting.expected, snapshot(workdir)).filter(other => other !== name);
        const trial = await repaired(setting, workdir, name, "flipped", false, ["--verify"]);
        const early =
          wrong.length > 0 ? `before --verify ${wrong.length} other files differ: ${wrong[0]}` : "";
        on(early ? { ...trial, recovered: false, note: `${early}; ${trial.note}` } : trial);
      }
    }
    return null;
  },
};

const finishedRun: Fault = {
  name: "file of a finished run damaged, then --verify",
  async run(setting, on) {
    const of = chances(setting.seed + 2);
    for (const [kind, names] of setting.short ? [] : kinds(setting.expected, isOutput)) {
      const workdir = copied(setting);
      const name = newestOf(kind, names, of);
      damage(join(workdir, name), "flipped", of(`${kind} where`));
      on(await repaired(setting, workdir, name, "flipped", true, ["--verify"]));
    }
    return null;
  },
};

/** What is gone on from is whole, so the damaged one is never written again: it has to be taken away, and said. */
const olderCheckpoint: Fault = {
  name: "checkpoint older than the last damaged, then resumed",
  async run(setting, on) {
    const of = chances(setting.seed);
    const names = [...setting.expected.keys()].filter(name => name.startsWith("model/checkpoints/"));
    const last = dirname(names.at(-1)!);
    const older = names.filter(name => dirname(name) !== last);
    for (const name of setting.short ? older.slice(0, 1) : older) {
      const workdir = interrupted(setting);
      const hurt = pick(hurts, of(`${name} hurt`));
      damage(join(workdir, name), hurt, of(`${name} where`));
      const { code, stderr } = await launch(setting.project.dir, workdir).done;
      const gone = `${dirname(name)}/`;
      const wrong = difference(setting.expected, snapshot(workdir)).filter(
        other => !other.startsWith(gone) && other !== "work/train/jobs/00000.json",
      );
      const notes = [
        ...(code === 0 ? [] : [`ended with ${code}: ${stderr.slice(-300)}`]),
        ...(stderr.includes("removed a damaged checkpoint") ? [] : ["nothing said"]),
        ...(existsSync(join(workdir, gone)) ? ["it is still there"] : []),
        ...(wrong.length > 0 ? [`${wrong.length} files differ: ${wrong.slice(0, 6).join(", ")}`] : []),
      ];
      const note = notes.length > 0 ? `${name} ${hurt}; ${notes.join("; ")}` : "";
      on({ recovered: note === "", lost: 0, doubled: 0, note });
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

export const damages: readonly Fault[] = [
  beforeResume,
  olderCheckpoint,
  beforeReading,
  partlyRead,
  finishedRun,
  bookkeeping,
];
