/** Where a deduplication keeps its files: `collected/` as the documents pass, then a folder for each round. */
import { join } from "node:path";

export const partName = (n: number): string => String(n).padStart(5, "0");

export const collectedPath = (dir: string, task: number, what: string): string =>
  join(dir, "collected", `${partName(task)}.${what}`);
export const roundPath = (dir: string, round: string, job: number, what: string): string =>
  join(dir, round, `${partName(job)}.${what}`);
