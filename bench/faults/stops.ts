/**
 * Runs stopped from outside at moments drawn by seed: half of them anywhere in the run's time, half in a phase drawn
 * first, so that phases of milliseconds get their share. Each is started again until it ends.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { compared } from "./compare.ts";
import type { Fault, Setting } from "./fault.ts";
import { chances, launch, type Running, reached, sleep } from "./project.ts";

async function moment(setting: Setting, running: Running, workdir: string, what: string): Promise<string> {
  const of = chances(setting.seed);
  const { phases } = setting;
  if (of(`${what} kind`) < 0.5) {
    const total = phases.reduce((sum, phase) => sum + phase.seconds, 1.5);
    await Promise.race([sleep(of(`${what} when`) * total * 1000), running.done]);
    return "anywhere";
  }
  const phase = phases[Math.floor(of(`${what} phase`) * phases.length)]!;
  await reached(running, workdir, phase.name);
  await Promise.race([sleep(of(`${what} when`) * 1.2 * phase.seconds * 1000), running.done]);
  return phase.name;
}

function stopping(name: string, signal: NodeJS.Signals, times: (setting: Setting) => number): Fault {
  return {
    name,
    async run(setting, on) {
      const { project, whole, expected } = setting;
      const workdir = join(project.dir, "stopped");
      const total = times(setting);
      for (let stops = 0, round = 0; stops < total; round++) {
        rmSync(workdir, { recursive: true, force: true });
        const before = stops;
        let [last, note] = ["", ""];
        for (let attempt = 0; ; attempt++) {
          const running = launch(project.dir, workdir);
          if (attempt < 8 && stops < total) {
            last = await moment(setting, running, workdir, `${name} ${round} ${attempt}`);
            running.child.kill(signal);
          }
          const { code, stderr } = await running.done;
          // A signal that comes before the command listens for it ends the process as it ends any other.
          const stopped = running.child.signalCode === signal || code === 130;
          if (stopped) stops++;
          if (code === 0) break;
          if (stopped) continue;
          // It must go on all the same; what is lost is counted once it has.
          note ||= `ended with ${code} after a stop in ${last}: ${stderr.slice(0, 2000)}`;
          if (++stops > total + 10) break;
        }
        const trial = await compared(whole, expected, workdir, note);
        for (let i = before; i < stops; i++) on(trial);
      }
      return null;
    },
  };
}

export const stops: readonly Fault[] = [
  stopping("kill -9", "SIGKILL", ({ kills }) => kills),
  stopping("Ctrl-C", "SIGINT", ({ short }) => (short ? 0 : 20)),
  stopping("SIGTERM", "SIGTERM", ({ short }) => (short ? 0 : 5)),
];
