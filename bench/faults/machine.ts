/**
 * Faults of the machine: a disk that fills up, a folder that cannot be written any more, a clock that jumps. The disk
 * is a small tmpfs, mounted for the purpose, which needs root.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { compared, failure } from "./compare.ts";
import type { Fault, Setting, Trial } from "./fault.ts";
import { chances, finished, launch, reached, sleep } from "./project.ts";

function mount(...args: readonly string[]): void {
  execFileSync("mount", args, { stdio: "pipe" });
}

/** Mounts a tmpfs at `path`, or says why not. */
function mounted(path: string, size: string): string | null {
  mkdirSync(path, { recursive: true });
  try {
    mount("-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path);
    return null;
  } catch (error) {
    return `needs root and mount: ${(error as Error).message.split("\n")[1] ?? (error as Error).message}`;
  }
}

function unmounted(path: string): void {
  execFileSync("umount", ["-l", path], { stdio: "pipe" });
  rmSync(path, { recursive: true, force: true });
}

const bytesOf = (path: string): number =>
  Number(execFileSync("du", ["-s", "-B1", path], { encoding: "utf8" }).split("\t")[0]);

const diskFull: Fault = {
  name: "disk full",
  async run({ project, whole, expected, short }, on) {
    const total = bytesOf(whole);
    for (const share of short ? [0.5] : [0.05, 0.2, 0.4, 0.55, 0.7, 0.8, 0.9, 0.97]) {
      const disk = join(project.dir, "disk");
      const why = mounted(disk, String(Math.ceil(total * share)));
      if (why) return why;
      try {
        const workdir = join(disk, "out");
        const { code, stderr } = await launch(project.dir, workdir).done;
        const told = code === 1 && stderr.includes("the disk is full");
        const note = told ? "" : `ended with ${code}: ${stderr.slice(-300)}`;
        mount("-o", "remount,size=1g", disk);
        await finished(project.dir, workdir);
        on(await compared(whole, expected, workdir, note));
      } finally {
        unmounted(disk);
      }
    }
    return null;
  },
};

const permissionLost: Fault = {
  name: "permission lost",
  async run(setting, on) {
    const { project, whole, expected, phases, seed, short } = setting;
    const of = chances(seed);
    for (let time = 0; time < (short ? 1 : 8); time++) {
      const disk = join(project.dir, "disk");
      const why = mounted(disk, "1g");
      if (why) return why;
      try {
        const workdir = join(disk, "out");
        const running = launch(project.dir, workdir);
        const phase = phases[Math.floor(of(`permission ${time}`) * (phases.length - 1))]!;
        await reached(running, workdir, phase.name);
        // A file system with files open for writing cannot become read-only: try until it can.
        let readOnly = false;
        while (!readOnly && running.child.exitCode === null) {
          try {
            mount("-o", "remount,ro", disk);
            readOnly = true;
          } catch {
            await sleep(1);
          }
        }
        const { code, stderr } = await running.done;
        const told = !readOnly || code === 0 || (code === 1 && stderr.includes("no permission to write"));
        const note = told ? "" : `ended with ${code}: ${stderr.slice(-300)}`;
        mount("-o", "remount,rw", disk);
        await finished(project.dir, workdir);
        on(await compared(whole, expected, workdir, note));
      } finally {
        unmounted(disk);
      }
    }
    return null;
  },
};

/** A clock that starts years away and jumps by up to a year each time it is read. */
const jumping = `const real = Date.now; let reads = 0;
const jump = () => real() + Math.round(Math.sin(++reads * 12.9898) * 3.15e10);
const Real = Date;
globalThis.Date = class extends Real {
  constructor(...args) { if (args.length === 0) super(jump()); else super(...args); }
  static now() { return jump(); }
};
`;

const clock: Fault = {
  name: "clock jumps",
  async run({ project, whole, expected, short, phases }: Setting, on) {
    const preload = join(project.dir, "jumping.mjs");
    writeFileSync(preload, jumping);
    const env = { NODE_OPTIONS: `--import=${pathToFileURL(preload).href}` };
    for (let time = 0; time < (short ? 1 : 4); time++) {
      const workdir = join(project.dir, "clock");
      rmSync(workdir, { recursive: true, force: true });
      // Killed in between, so that the clock also jumps between two runs.
      const first = launch(project.dir, workdir, [], env);
      await reached(first, workdir, phases[(time * 5 + 3) % phases.length]!.name);
      first.child.kill("SIGKILL");
      await first.done;
      const { code, stderr } = await launch(project.dir, workdir, [], env).done;
      const trial: Trial =
        code === 0 ? await compared(whole, expected, workdir) : failure(stderr.slice(-300));
      on(trial);
    }
    return null;
  },
};

export const machine: readonly Fault[] = [diskFull, permissionLost, clock];
