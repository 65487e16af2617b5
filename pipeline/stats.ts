/**
 * What each stage did, as numbers that add up: in = out + Σ dropped + failed, always. Adding is associative and
 * commutative, so tasks, workers and machines merge in any order. Knows no stage by name.
 */

export type StageStats = {
  readonly name: string;
  /** Documents (records, for `read`) that reached the stage. */
  in: number;
  out: number;
  dropped: Record<string, number>;
  /** Documents on which the stage threw, or records that could not be read. */
  failed: number;
  /** UTF-8 bytes of text in and out; for `read` and stages before `extract`, bytes of pages. */
  bytesIn: number;
  bytesOut: number;
  /** Tokens written, where the stage makes tokens. */
  tokensOut?: number;
  cpuSeconds: number;
  wallSeconds: number;
  /** Kept documents that the stage marked, not dropped (`mode: tag`), by reason. */
  tagged?: Record<string, number>;
  /** Other things counted that are neither documents nor drops: record types skipped, PII spans found. */
  notes?: Record<string, number>;
};

export function emptyStats(name: string): StageStats {
  return {
    name,
    in: 0,
    out: 0,
    dropped: {},
    failed: 0,
    bytesIn: 0,
    bytesOut: 0,
    cpuSeconds: 0,
    wallSeconds: 0,
  };
}

function addCounts(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  const sum = { ...a };
  for (const [reason, n] of Object.entries(b)) sum[reason] = (sum[reason] ?? 0) + n;
  return Object.fromEntries(Object.entries(sum).sort(([x], [y]) => (x < y ? -1 : 1)));
}

export function addStats(a: StageStats, b: StageStats): StageStats {
  const sum: StageStats = {
    name: a.name,
    in: a.in + b.in,
    out: a.out + b.out,
    dropped: addCounts(a.dropped, b.dropped),
    failed: a.failed + b.failed,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    cpuSeconds: a.cpuSeconds + b.cpuSeconds,
    wallSeconds: a.wallSeconds + b.wallSeconds,
  };
  if (a.tokensOut !== undefined || b.tokensOut !== undefined)
    sum.tokensOut = (a.tokensOut ?? 0) + (b.tokensOut ?? 0);
  if (a.tagged || b.tagged) sum.tagged = addCounts(a.tagged ?? {}, b.tagged ?? {});
  if (a.notes || b.notes) sum.notes = addCounts(a.notes ?? {}, b.notes ?? {});
  return sum;
}

export type StatsSum = { add(list: readonly StageStats[]): void; list(): StageStats[] };

/** A running sum by stage name, in the order in which names first appear. One crawl adds 90,000 lists. */
export function sumStats(): StatsSum {
  const sums = new Map<string, StageStats>();
  return {
    add(list) {
      for (const stats of list) {
        const sum = sums.get(stats.name);
        if (sum) accumulate(sum, stats);
        else sums.set(stats.name, addStats(emptyStats(stats.name), stats));
      }
    },
    list: () => [...sums.values()].map(sum => addStats(emptyStats(sum.name), sum)),
  };
}

function accumulate(sum: StageStats, more: StageStats): void {
  sum.in += more.in;
  sum.out += more.out;
  sum.failed += more.failed;
  sum.bytesIn += more.bytesIn;
  sum.bytesOut += more.bytesOut;
  sum.cpuSeconds += more.cpuSeconds;
  sum.wallSeconds += more.wallSeconds;
  if (more.tokensOut !== undefined) sum.tokensOut = (sum.tokensOut ?? 0) + more.tokensOut;
  count(sum.dropped, more.dropped);
  if (more.tagged) count((sum.tagged ??= {}), more.tagged);
  if (more.notes) count((sum.notes ??= {}), more.notes);
}

function count(sum: Record<string, number>, more: Record<string, number>): void {
  for (const reason in more) sum[reason] = (sum[reason] ?? 0) + more[reason]!;
}

/** Sums lists of stages by name, in the order in which names first appear. */
export function mergeStats(lists: Iterable<readonly StageStats[]>): StageStats[] {
  const sum = sumStats();
  for (const list of lists) sum.add(list);
  return sum.list();
}

export function droppedTotal(stats: StageStats): number {
  return Object.values(stats.dropped).reduce((a, b) => a + b, 0);
}

/** Throws when documents appeared or vanished: a bug of ours, never the data's fault. */
export function checkConservation(list: readonly StageStats[]): void {
  for (const stats of list) {
    const accounted = stats.out + droppedTotal(stats) + stats.failed;
    if (stats.in !== accounted) {
      throw new Error(
        `stage ${stats.name} does not conserve documents: ${stats.in} in, but ${stats.out} out + ${droppedTotal(stats)} dropped + ${stats.failed} failed = ${accounted}`,
      );
    }
  }
}
