/**
 * A thread that counts: takes jobs as they are posted, answers each, and at the end hands over its table: the arrays
 * themselves where nothing was spilled, else a sorted file. Knows nothing of other threads.
 */
import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "../../lib/errors.ts";
import type { CountJob } from "./corpus-files.ts";
import { countJob, type Unread } from "./count-job.ts";
import { type CountOptions, createCounter } from "./counter.ts";
import type { Corpus } from "./training.ts";
import type { Words } from "./word-table.ts";

export type WorkerSetup = { readonly options: CountOptions; readonly spillPath: string };
export type ToWorker = { readonly job: CountJob } | { readonly finish: true };
export type Handed = { readonly words: Words } | { readonly file: string };
export type FromWorker =
  | { readonly kind: "done"; readonly job: CountJob }
  | { readonly kind: "finished"; readonly corpus: Corpus; readonly unread: Unread; readonly handed: Handed }
  | { readonly kind: "mistake"; readonly message: string; readonly hint: string | null };

if (parentPort) serve(parentPort, workerData as WorkerSetup);

function serve(port: NonNullable<typeof parentPort>, { options, spillPath }: WorkerSetup): void {
  const counter = createCounter(options, spillPath);
  const unread: Unread = { lines: 0 };
  const answer = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  port.on("message", async (message: ToWorker) => {
    try {
      if ("job" in message) {
        await countJob(message.job, counter, options.split ?? "documents", unread);
        answer({ kind: "done", job: message.job });
        return;
      }
      const words = counter.words();
      const handed = words ? { words } : { file: counter.finish(`${spillPath}.words.tmp`).path };
      const transfer = words
        ? [words.arena.buffer, words.starts.buffer, words.counts.buffer, words.firsts.buffer]
        : [];
      answer({ kind: "finished", corpus: counter.corpus(), unread, handed }, transfer);
      counter.dispose();
      port.close();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      answer({ kind: "mistake", message: error.message, hint: error.hint });
    }
  });
}
