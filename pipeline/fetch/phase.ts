/**
 * The phase `fetch`: brings the crawl files of a plan into the store, before anything reads them. One job, in the main
 * thread: downloads wait on the network, and one limiter has to see them all. A store is used by one run at a time.
 * It has no outputs to remove when it is redone: what is there is checked against the host's version and its checksum.
 */
import { join, relative } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { acquireLock, type Lock } from "../execute/lock.ts";
import type { JobContext, JobReport, Phase } from "../execute/phase.ts";
import type { Plan } from "../execute/plan.ts";
import type { Client } from "./client.ts";
import type { Clock } from "./limiter.ts";
import { type CrawlSource, crawlOf, isStreamed } from "./options.ts";
import { missing, storeOf } from "./store.ts";

export type FetchTiming = { readonly clock?: Clock; readonly idle?: number };

/** No phase where the source is local, or read as it comes. */
export function fetchPhases(plan: Plan, timing: FetchTiming = {}): Phase[] {
  const source = crawlOf(plan.recipe.source);
  if (!source || isStreamed(source)) return [];
  const { length } = plan.inputs;
  const what = source.index ? "part" : "file";
  return [
    {
      name: "fetch",
      about: `downloading ${length} ${what}${length === 1 ? "" : "s"} of ${source.commoncrawl}`,
      stages: ["fetch"],
      settings: { missing: source.missing },
      outputs: [],
      place: "main",
      total: { bytes: plan.inputs.reduce((sum, input) => sum + input.bytes, 0) },
      jobs: () => 1,
      run: (_, context) => fetchAll(plan, source, context, timing),
    },
  ];
}

async function fetchAll(
  plan: Plan,
  source: CrawlSource,
  context: JobContext,
  timing: FetchTiming,
): Promise<JobReport> {
  const [{ forAll, systemClock }, { clientFor, keepList, urlOf }, { download }] = await Promise.all([
    import("./limiter.ts"),
    import("./commoncrawl.ts"),
    import("./download.ts"),
  ]);
  const store = storeOf(plan);
  const { clock = systemClock } = timing;
  const lock = await lockStore(store, clock, context);
  const client = clientFor(source, {
    ...timing,
    version: plan.version,
    seed: plan.recipe.seed,
    signal: context.signal,
    onWait: waiting =>
      context.progress({
        note: waiting ? `${waiting.why}: waiting ${Math.ceil(waiting.milliseconds / 1000)} s` : "",
      }),
  });
  try {
    if (source.index) return await fetchRecords(client, plan, source, context);
    await keepList(client, source, store);
    const results = await forAll(client.limiter, source.concurrent, plan.inputs, async input => {
      if (input.fingerprint === missing) return null;
      const found = await download(client, {
        url: urlOf(source, input.name),
        path: join(store, input.name),
        listed: input,
        onBytes: bytes => context.progress({ bytes }),
      });
      if (!found && source.missing === "fail")
        throw new UserError(
          `${urlOf(source, input.name)}: the host does not have it any more (404)`,
          "Go on without it with  source: { missing: skip }.",
        );
      return found;
    });
    const outputs = results.flatMap(result => (result ? [result.file] : []));
    const warnings = results.flatMap((result, i) => {
      const { name } = plan.inputs[i]!;
      if (!result) return [`${name} is not on the host (404) and was skipped`];
      return result.changed
        ? [`${name} has changed on the host since it was listed; the new one was taken`]
        : [];
    });
    return {
      stats: [],
      outputs: outputs.map(file => ({ ...file, path: relative(context.workdir, file.path) })),
      warnings,
    };
  } finally {
    await client.close();
    lock.release();
  }
}

/** The records of an index query, each part in the order of its list. */
async function fetchRecords(
  client: Client,
  plan: Plan,
  crawl: CrawlSource,
  context: JobContext,
): Promise<JobReport> {
  const [{ forAll }, { indexedOf }, { fetchPart, findRecords, keepHits, partsOf }] = await Promise.all([
    import("./limiter.ts"),
    import("./commoncrawl.ts"),
    import("./records.ts"),
  ]);
  const source = indexedOf(crawl)!;
  const store = storeOf(plan);
  const hits = await findRecords(client, source, store);
  const parts = partsOf(source, hits).slice(0, plan.inputs.length);
  if (parts.some(({ input }, i) => input.fingerprint !== plan.inputs[i]!.fingerprint))
    throw new UserError(
      `${source.commoncrawl}: the index finds other records than when the run was planned`,
      "Run the same command again.",
    );
  keepHits(source, store, hits);
  const fetched = await forAll(client.limiter, source.concurrent, parts, part =>
    fetchPart(client, { source, store, part, onBytes: bytes => context.progress({ bytes }) }),
  );
  const skipped = fetched.reduce((sum, part) => sum + part.skipped, 0);
  return {
    stats: [],
    outputs: fetched.flatMap(({ files }) =>
      files.map(file => ({ ...file, path: relative(context.workdir, file.path) })),
    ),
    warnings:
      skipped > 0
        ? [`${skipped} of ${hits.length} records are not where the index says and were skipped`]
        : [],
  };
}

/** Waits until no other run uses the store. */
async function lockStore(store: string, clock: Clock, context: JobContext): Promise<Lock> {
  for (;;) {
    try {
      return acquireLock(store);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      context.progress({ note: `waiting for another run: ${error.message}` });
      await clock.sleep(2000, context.signal);
    }
  }
}
