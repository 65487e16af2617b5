/** Whether a workdir is what an undisturbed run leaves. */
import type { Trial } from "./fault.ts";
import { difference, lostAndDoubled, type Snapshot, snapshot } from "./project.ts";

export async function compared(
  whole: string,
  expected: Snapshot,
  workdir: string,
  note = "",
): Promise<Trial> {
  const different = difference(expected, snapshot(workdir));
  if (different.length === 0) return { recovered: note === "", lost: 0, doubled: 0, note };
  const { lost, doubled } = await lostAndDoubled(whole, workdir);
  const names = `${different.length} files differ: ${different.slice(0, 6).join(", ")}`;
  return { recovered: false, lost, doubled, note: note === "" ? names : `${note}; ${names}` };
}

export const failure = (note: string): Trial => ({ recovered: false, lost: 0, doubled: 0, note });
