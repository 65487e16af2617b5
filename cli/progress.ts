/**
 * The progress line: what runs, how far it is, how fast, how long it will still take. One line that moves on a
 * terminal; a plain line now and then elsewhere. Always on stderr. Knows nothing of what is being done.
 */
import { bytes, duration, harmless, number } from "./terminal.ts";

export type Meter = {
  /** Adds to what was done; `note` replaces the last words of the line. */
  add(done: {
    readonly documents?: number;
    readonly bytes?: number;
    readonly jobs?: number;
    readonly units?: number;
    readonly note?: string;
  }): void;
  end(summary: string): void;
};

export type Totals = {
  readonly documents?: number;
  readonly bytes?: number;
  readonly units?: number;
  readonly jobs?: number;
};

const frameMs = 100;
const plainMs = 5000;

export type Progress = {
  start(title: string, totals: Totals, already?: Totals): Meter;
  /** A line of its own, above the moving one. */
  say(line: string): void;
};

export function openProgress(stream: NodeJS.WriteStream = process.stderr, quiet = false): Progress {
  const live = stream.isTTY === true && !quiet;
  let drawn = false;
  const clear = () => {
    if (drawn) stream.write("\r\u001b[2K");
    drawn = false;
  };
  return {
    say(line) {
      if (quiet) return;
      clear();
      stream.write(`${harmless(line)}\n`);
    },
    start(title, totals, already = {}) {
      const started = Date.now();
      let last = started;
      let due: NodeJS.Timeout | null = null;
      const over = () => {
        if (due) clearTimeout(due);
        due = null;
      };
      let [documents, done, units, jobs, note] = [0, 0, 0, 0, ""];
      const line = () => {
        const seconds = (Date.now() - started) / 1000;
        const share = shareDone({ documents, bytes: done, units, jobs }, totals, already);
        const parts = [title];
        if (share !== null) parts.push(`${bar(share)} ${Math.floor(share * 100)} %`);
        if (documents > 0)
          parts.push(
            `${number(documents)} document${documents === 1 ? "" : "s"}`,
            `${number(documents / Math.max(seconds, 0.001))}/s`,
          );
        if (done > 0) parts.push(`${bytes(done / Math.max(seconds, 0.001))}/s`);
        if (note) parts.push(note);
        const fresh = share !== null && share < 1 ? share - (shareDone({}, totals, already) ?? 0) : 0;
        if (fresh > 0 && (fresh > 0.02 ? seconds > 1 : seconds > 15) && share !== null)
          parts.push(`${duration((seconds / fresh) * (1 - share))} left`);
        return parts.join(" · ");
      };
      const draw = () => {
        over();
        last = Date.now();
        if (live) {
          clear();
          stream.write(line().slice(0, Math.max(20, (stream.columns || 80) - 1)));
          drawn = true;
        } else stream.write(`${line()}\n`);
      };
      return {
        add(step) {
          documents += step.documents ?? 0;
          done += step.bytes ?? 0;
          units += step.units ?? 0;
          jobs += step.jobs ?? 0;
          if (step.note !== undefined) note = step.note;
          if (quiet) return;
          const left = last + (live ? frameMs : plainMs) - Date.now();
          if (left <= 0) return draw();
          // What is waited for must be read while it is waited for, and nothing else may come until then.
          if (note) due ??= setTimeout(draw, left).unref();
          else over();
        },
        end(summary) {
          over();
          if (quiet) return;
          clear();
          stream.write(`${summary}\n`);
        },
      };
    },
  };
}

function shareDone(done: Totals, totals: Totals, already: Totals): number | null {
  for (const unit of ["bytes", "documents", "units", "jobs"] as const) {
    const total = totals[unit];
    if (total) return Math.min(1, ((already[unit] ?? 0) + (done[unit] ?? 0)) / total);
  }
  return null;
}

function bar(share: number): string {
  const filled = Math.round(share * 12);
  return "█".repeat(filled) + "░".repeat(12 - filled);
}
