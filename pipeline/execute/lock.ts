/**
 * One run at a time in a workdir: a lock file with its owner's identity. A lock whose owner is gone (same machine,
 * no such process, or a process that started later than the lock says) is stale and taken over.
 */

import { constants, copyFileSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { makeFolder } from "../../lib/folder.ts";

type Owner = {
  readonly pid: number;
  readonly host: string;
  readonly processStart: string;
  readonly since: string;
};

export type Lock = { release(): void };

/**
 * Takes the lock of a workdir, or throws a UserError that names who holds it. The lock appears with its owner's name in
 * it, by a hard link, so that nobody reads half of it; a stale one is moved away by name, which only one of several
 * runs can do.
 */
export function acquireLock(workdir: string): Lock {
  makeFolder(workdir);
  const path = join(workdir, "lock");
  const me: Owner = {
    pid: process.pid,
    host: hostname(),
    processStart: processStart(process.pid) ?? "",
    since: new Date().toISOString(),
  };
  const own = `${path}.${me.host}-${me.pid}.tmp`;
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      writeFileSync(own, JSON.stringify(me));
      if (linked(own, path)) return { release: () => rmSync(path, { force: true }) };
      const seen = readText(path);
      if (seen === null) continue;
      const owner = ownerOf(seen);
      if (owner && !isStale(owner, me)) {
        throw new UserError(
          `another run is using ${workdir}: process ${owner.pid} on ${owner.host}, since ${owner.since}`,
          `Wait for it, stop it, or choose another --workdir. If it is surely gone, delete ${path}.`,
        );
      }
      moveAway(path, seen, `${own}.stale.tmp`);
    }
  } finally {
    rmSync(own, { force: true });
  }
  throw new UserError(`could not take the lock ${path}: other runs keep taking it`, "Try again in a moment.");
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(code)) return copied(from, to);
    // ENOENT: the run that has the lock swept temporary files away.
    if (code === "EEXIST" || code === "ENOENT") return false;
    throw error;
  }
}

/** For file systems without hard links. */
function copied(from: string, to: string): boolean {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Whether a run that still goes on holds the lock of a workdir; on another machine as far as one can tell. */
export function isLocked(workdir: string): boolean {
  const seen = readText(join(workdir, "lock"));
  const owner = seen === null ? null : ownerOf(seen);
  const me = { pid: process.pid, host: hostname(), processStart: "", since: "" };
  return owner !== null && !isStale(owner, me);
}

/** Removes the lock that was seen. One that another run put in its place meanwhile is put back. */
function moveAway(path: string, seen: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (readText(aside) !== seen) linked(aside, path);
  rmSync(aside, { force: true });
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function ownerOf(text: string): Owner | null {
  try {
    return JSON.parse(text) as Owner;
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
