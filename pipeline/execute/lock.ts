/**
 * One run at a time in a workdir: a lock file with its owner's identity. A lock whose owner is gone (same machine,
 * no such process, or a process that started later than the lock says) is stale and taken over.
 */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";

type Owner = {
  readonly pid: number;
  readonly host: string;
  readonly processStart: string;
  readonly since: string;
};

export type Lock = { release(): void };

/** Takes the lock of a workdir, or throws a UserError that names who holds it. */
export function acquireLock(workdir: string): Lock {
  mkdirSync(workdir, { recursive: true });
  const path = join(workdir, "lock");
  const me: Owner = {
    pid: process.pid,
    host: hostname(),
    processStart: processStart(process.pid) ?? "",
    since: new Date().toISOString(),
  };
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const fd = openSync(path, "wx");
      writeSync(fd, JSON.stringify(me));
      closeSync(fd);
      return { release: () => rmSync(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = readOwner(path);
    if (owner && !isStale(owner, me)) {
      throw new UserError(
        `another run is using ${workdir}: process ${owner.pid} on ${owner.host}, since ${owner.since}`,
        `Wait for it, stop it, or choose another --workdir. If it is surely gone, delete ${path}.`,
      );
    }
    rmSync(path, { force: true });
  }
  throw new UserError(`could not take the lock ${path}: other runs keep taking it`, "Try again in a moment.");
}

function readOwner(path: string): Owner | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Owner;
  } catch {
    return null;
  }
}

function isStale(owner: Owner, me: Owner): boolean {
  if (owner.host !== me.host) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
  const start = processStart(owner.pid);
  return start !== null && owner.processStart !== "" && start !== owner.processStart;
}

/** When a process started, in clock ticks since boot; tells a reused process number from the owner. Linux only. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
