/** Several runs in one workdir at once, and locks whose owner is gone. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { compared, failure } from "./compare.ts";
import type { Fault } from "./fault.ts";
import { launch } from "./project.ts";

const atOnce: Fault = {
  name: "several runs at once",
  async run({ project, whole, expected, short }, on) {
    const workdir = join(project.dir, "at-once");
    for (let time = 0; time < (short ? 1 : 5); time++) {
      rmSync(workdir, { recursive: true, force: true });
      // Every other time there is also a stale lock for all of them to find.
      mkdirSync(workdir);
      if (time % 2 === 0)
        writeFileSync(join(workdir, "lock"), JSON.stringify({ pid: 4_194_303, host: hostname(), since: "" }));
      const runs = Array.from({ length: 4 }, () => launch(project.dir, workdir));
      const outcomes = await Promise.all(runs.map(run => run.done));
      const won = outcomes.filter(({ code }) => code === 0).length;
      const refused = outcomes.filter(
        ({ code, stderr }) => code === 2 && stderr.includes("another run is using"),
      );
      const note =
        won === 1 && refused.length === 3 ? "" : `codes ${outcomes.map(({ code }) => code).join(", ")}`;
      on(await compared(whole, expected, workdir, note));
    }
    return null;
  },
};

const ownersGone: readonly unknown[] = [
  { pid: 4_194_303, host: hostname(), processStart: "1", since: "2020-01-01T00:00:00Z" },
  { pid: 1, host: hostname(), processStart: "123456789", since: "2020-01-01T00:00:00Z" },
  "",
  "{ half",
];

const stale: Fault = {
  name: "stale lock",
  async run({ project, whole, expected, short }, on) {
    const workdir = join(project.dir, "stale");
    for (const owner of short ? [] : ownersGone) {
      rmSync(workdir, { recursive: true, force: true });
      mkdirSync(workdir);
      writeFileSync(join(workdir, "lock"), typeof owner === "string" ? owner : JSON.stringify(owner));
      const { code, stderr } = await launch(project.dir, workdir).done;
      on(code === 0 ? await compared(whole, expected, workdir) : failure(stderr.slice(-300)));
    }
    return null;
  },
};

export const locks: readonly Fault[] = [atOnce, stale];
