/**
 * Pulls documents through stages: the only place of the pipeline that counts, times and catches. Knows no stage by
 * name and no file format. A stage that throws costs one document, counted with its place, never the run.
 */
import type { Document } from "./document.ts";
import type { Judge, StageKind } from "./stage.ts";
import { emptyStats, type StageStats } from "./stats.ts";
import type { Account } from "./writers/account.ts";

export type RunningStage = {
  readonly name: string;
  readonly kind: StageKind;
  readonly tag: boolean;
  readonly judge: Judge;
};

/** Bytes of a document as the statistics count them: UTF-8 bytes of its text, or of its page before extraction. */
export function documentBytes(document: Document): number {
  return document.page ? document.page.body.length : Buffer.byteLength(document.text, "utf8");
}

export type Line = {
  /** Sends one document down the line; gives it back as it leaves, or null. */
  push(document: Document): Document | null;
  readonly stats: readonly StageStats[];
};

/** A line of stages with its own statistics. `account` hears of every drop, measure and failure. */
export function openLine(stages: readonly RunningStage[], account: Account, now: () => number): Line {
  const stats = stages.map(stage => emptyStats(stage.name));
  const push = (document: Document): Document | null => {
    let current = document;
    let bytes = documentBytes(document);
    for (let i = 0; i < stages.length; i++) {
      const stage = stages[i]!;
      const mine = stats[i]!;
      mine.in++;
      mine.bytesIn += bytes;
      const started = now();
      try {
        const verdict = stage.judge(current);
        mine.wallSeconds += (now() - started) / 1000;
        if (verdict.measures)
          account.measured(stage.name, current.id, "drop" in verdict ? verdict.drop : "", verdict.measures);
        if ("drop" in verdict) {
          account.dropped(stage.name, current, verdict, stage.tag);
          if (!stage.tag) {
            mine.dropped[verdict.drop] = (mine.dropped[verdict.drop] ?? 0) + 1;
            return null;
          }
          mine.tagged ??= {};
          mine.tagged[verdict.drop] = (mine.tagged[verdict.drop] ?? 0) + 1;
          current = {
            ...current,
            meta: { ...current.meta, [stage.name.replaceAll("-", "_")]: verdict.drop },
          };
        } else {
          if (verdict.keep !== current) bytes = documentBytes(verdict.keep);
          current = verdict.keep;
        }
      } catch (error) {
        mine.wallSeconds += (now() - started) / 1000;
        mine.failed++;
        account.failed(
          stage.name,
          current.id,
          current.url,
          current.at,
          "exception",
          (error as Error).message,
        );
        return null;
      }
      mine.out++;
      mine.bytesOut += bytes;
    }
    return current;
  };
  return { push, stats };
}
