/**
 * The phases between documents and training: counting pieces (a job a part), training the vocabulary (one job),
 * encoding shards (a job for about `tokensPerShard` tokens), and their manifest. Joins the pipeline's files with the
 * tokenizer, neither of which knows the other.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { OutputFile } from "../lib/atomic.ts";
import type { Values } from "../lib/options.ts";
import { relativeTo } from "../pipeline/execute/documents.ts";
import {
  cpuSeconds,
  type JobContext,
  type JobReport,
  type Phase,
  partName,
} from "../pipeline/execute/phase.ts";
import type { Plan } from "../pipeline/execute/plan.ts";
import { checkOutputs, readReport } from "../pipeline/execute/reports.ts";
import { emptyStats, type StageStats } from "../pipeline/stats.ts";
import { readTexts } from "../pipeline/writers/documents.ts";
import type { Split } from "../tokenizer/shards/format.ts";
import type { ShardFile } from "../tokenizer/shards/write.ts";
import type { shardsOptions, tokenizerOptions } from "./corpus-options.ts";
import { vocabularySource } from "./vocabulary-files.ts";

type TokenizerValues = Values<typeof tokenizerOptions>;
type ShardsValues = Values<typeof shardsOptions>;

export const tokenizerDir = (workdir: string): string => join(workdir, "tokenizer");
export const shardsDir = (workdir: string): string => join(workdir, "shards");
const countsPath = (workdir: string, part: number) =>
  join(workdir, "work", "tokenizer-count", `${partName(part)}.counts`);
const joinedPath = (workdir: string, group: number) =>
  join(workdir, "work", "tokenizer-join", `${partName(group)}.counts`);
/** Files of counts that are read side by side: each takes a file descriptor and 64 KiB. */
const joinedAtOnce = 256;
const documentPart = (workdir: string, part: number) =>
  join(workdir, "documents", `${partName(part)}.parquet`);

/** The tokenizer's own code, loaded by the jobs that need it: checking a recipe takes a third of the time without. */
const machinery = () => import("./corpus-machinery.ts");

/** Runs `work` and gives its statistics with the time it took. */
async function timed(name: string, work: (stats: StageStats) => Promise<void>): Promise<StageStats> {
  const stats = emptyStats(name);
  const [cpu, wall] = [cpuSeconds(), performance.now()];
  await work(stats);
  stats.cpuSeconds = cpuSeconds() - cpu;
  stats.wallSeconds = (performance.now() - wall) / 1000;
  return stats;
}

export function tokenizerPhases(plan: Plan): Phase[] {
  const entry = plan.recipe.stages.find(stage => stage.name === "tokenizer");
  if (!entry) return [];
  const options = entry.options as unknown as TokenizerValues;
  const { pattern, unicode, docCap, pieceCap, sample, ...merging } = options;
  const { seed } = plan.recipe;
  const counting = { pattern, unicode, docCap, pieceCap, sample, seed };
  const count: Phase = {
    name: "tokenizer-count",
    about: "counting pieces of text",
    stages: ["tokenizer"],
    settings: { tokenizer: { pattern, unicode, docCap, pieceCap, sample } },
    reads: "part",
    outputs: ["work/tokenizer-count"],
    place: "workers",
    jobs: () => plan.inputs.length,
    async run(part, context): Promise<JobReport> {
      const { workdir, memory } = context;
      const { countTexts } = await machinery();
      let outputs: JobReport["outputs"] = [];
      const stats = await timed("tokenizer", async stats => {
        const texts = counted(readTexts(documentPart(workdir, part)), stats, context);
        const { corpus: _, ...file } = await countTexts(
          texts,
          { ...counting, memory: memory / 2 },
          countsPath(workdir, part),
        );
        outputs = relativeTo(workdir, [file]);
      });
      return { stats: [stats], outputs };
    },
  };
  const parts = plan.inputs.length;
  const joins: Phase = {
    name: "tokenizer-join",
    about: "joining counts",
    stages: ["tokenizer"],
    settings: null,
    outputs: ["work/tokenizer-join"],
    place: "workers",
    jobs: () => Math.ceil(parts / joinedAtOnce),
    async run(group, { workdir }): Promise<JobReport> {
      const { joinCounts } = await machinery();
      const first = group * joinedAtOnce;
      const numbers = Array.from({ length: Math.min(joinedAtOnce, parts - first) }, (_, i) => first + i);
      for (const part of numbers) checkOutputs(workdir, "tokenizer-count", part);
      let outputs: JobReport["outputs"] = [];
      const stats = await timed("tokenizer", async () => {
        const files = numbers.map(part => countsPath(workdir, part));
        outputs = relativeTo(workdir, [joinCounts(files, joinedPath(workdir, group))]);
      });
      return { stats: [stats], outputs };
    },
  };
  const train: Phase = {
    name: "tokenizer",
    about: options.use === null ? "training the vocabulary" : `taking over the vocabulary ${options.use}`,
    stages: ["tokenizer"],
    settings: { tokenizer: { ...merging, ...contents(plan) } },
    outputs: ["tokenizer"],
    place: "workers",
    jobs: () => 1,
    async run(_, context): Promise<JobReport> {
      let result: TrainedTokenizer = { files: [], warnings: [] };
      const stats = await timed("tokenizer", async () => {
        result =
          options.use === null
            ? await trainTokenizer(plan, options, context)
            : await takeTokenizer(vocabularySource(plan.base, options.use), context.workdir);
      });
      return {
        stats: [stats],
        outputs: relativeTo(context.workdir, result.files),
        warnings: result.warnings,
      };
    },
  };
  if (options.use !== null) return [train];
  return parts > joinedAtOnce ? [count, joins, train] : [count, train];
}

/** What the files of a ready-made vocabulary contain. */
function contents({ files }: Plan): Record<string, string> {
  const mine = files.filter(({ stage }) => stage === "tokenizer");
  return Object.fromEntries(mine.map(({ path, sha256 }) => [`file ${path}`, sha256]));
}

type TrainedTokenizer = { readonly files: readonly OutputFile[]; readonly warnings: readonly string[] };

async function trainTokenizer(
  plan: Plan,
  options: TokenizerValues,
  { workdir, memory, progress }: JobContext,
): Promise<TrainedTokenizer> {
  const { mergeCounts, saveTokenizer, trainFromCounts, trainingCosts, vocabularySize } = await machinery();
  const { vocabSize, ties, minFrequency, eot, specials } = options;
  const { length } = plan.inputs;
  const joined = length > joinedAtOnce;
  const counts = Array.from({ length: joined ? Math.ceil(length / joinedAtOnce) : length }, (_, i) => {
    checkOutputs(workdir, joined ? "tokenizer-join" : "tokenizer-count", i);
    return joined ? joinedPath(workdir, i) : countsPath(workdir, i);
  });
  const words = mergeCounts(counts, { memory });
  const { vocabulary, training } = trainFromCounts(words, {
    ...{ vocabSize, ties, minFrequency, specials: [eot, ...specials], endOfText: eot },
    onMerges: (done, total) => progress({ note: `${done} of ${total} merges` }),
  });
  const size = vocabularySize(vocabulary);
  const short = `the corpus gives a vocabulary of ${size} tokens, not ${vocabSize}: no other pair occurs ${minFrequency} times`;
  return {
    files: saveTokenizer(vocabulary, tokenizerDir(workdir), training).files,
    warnings: [...trainingCosts(training), ...(size < vocabSize ? [short] : [])],
  };
}

async function takeTokenizer(from: string, workdir: string): Promise<TrainedTokenizer> {
  const { loadTokenizer, saveTokenizer } = await machinery();
  return { files: saveTokenizer(loadTokenizer(from).vocabulary, tokenizerDir(workdir)).files, warnings: [] };
}

async function* counted(
  documents: AsyncIterable<{ readonly text: string }>,
  stats: StageStats,
  context: JobContext,
): AsyncGenerator<string> {
  for await (const { text } of documents) {
    countDocument(text, stats, context);
    yield text;
  }
}

async function* passing(
  parts: readonly string[],
  stats: StageStats,
  context: JobContext,
): AsyncGenerator<{ readonly id: string; readonly text: string }> {
  for (const part of parts) {
    for await (const document of readTexts(part)) {
      countDocument(document.text, stats, context);
      yield document;
    }
  }
}

function countDocument(text: string, stats: StageStats, context: JobContext): void {
  const bytes = Buffer.byteLength(text, "utf8");
  stats.in++;
  stats.out++;
  stats.bytesIn += bytes;
  stats.bytesOut += bytes;
  context.progress({ documents: 1 });
}

/**
 * Which parts go into which shard: consecutive ones until about `tokensPerShard` tokens are reached. A Parquet part
 * is gzip-compressed text, about 1.6 of its bytes a token; the estimate only decides where files are cut.
 */
function shardGroups(workdir: string, parts: number, tokensPerShard: number): number[][] {
  const groups: number[][] = [[]];
  let held = 0;
  for (let part = 0; part < parts; part++) {
    const tokens = (statSync(documentPart(workdir, part), { throwIfNoEntry: false })?.size ?? 0) / 1.6;
    if (held > 0 && held + tokens > tokensPerShard) {
      groups.push([]);
      held = 0;
    }
    groups[groups.length - 1]!.push(part);
    held += tokens;
  }
  return groups;
}

export function shardsPhases(plan: Plan): Phase[] {
  const entry = plan.recipe.stages.find(stage => stage.name === "shards");
  if (!entry) return [];
  const { validation, tokensPerShard } = entry.options as unknown as ShardsValues;
  const { seed } = plan.recipe;
  const { length } = plan.inputs;
  let found: number[][] | null = null;
  /** Looked up once a process, when the documents are there: a crawl has 90,000 parts and thousands of shards. */
  const groups = (workdir: string): number[][] => {
    if (found) return found;
    const groups = shardGroups(workdir, length, tokensPerShard);
    if (existsSync(documentPart(workdir, length - 1))) found = groups;
    return groups;
  };
  const encode: Phase = {
    name: "shards",
    about: "encoding token shards",
    stages: ["shards"],
    settings: { shards: { validation, tokensPerShard } },
    outputs: ["shards"],
    place: "workers",
    mostJobs: plan.inputs.length,
    jobs: ({ workdir }) => groups(workdir).length,
    async run(job, context): Promise<JobReport> {
      const { workdir } = context;
      const { createEncoder, encodeDocuments, loadTokenizer, shardFileName } = await machinery();
      checkOutputs(workdir, "tokenizer", 0);
      const { vocabulary, hash } = loadTokenizer(tokenizerDir(workdir));
      let files: readonly OutputFile[] = [];
      const stats = await timed("shards", async stats => {
        const parts = groups(workdir)[job]!.map(part => documentPart(workdir, part));
        const encoded = await encodeDocuments(passing(parts, stats, context), createEncoder(vocabulary), {
          ...{ validation, seed, tokensPerShard, tokenizerHash: hash },
          path: (split, index) => join(shardsDir(workdir), shardFileName(split, job, index)),
        });
        files = encoded.files;
        stats.tokensOut = encoded.tokens;
      });
      return { stats: [stats], outputs: relativeTo(workdir, files) };
    },
  };
  const manifest: Phase = {
    name: "shards-manifest",
    about: "listing the shards",
    stages: ["shards"],
    settings: null,
    outputs: ["shards/manifest.json"],
    place: "workers",
    jobs: () => 1,
    run: (_, { workdir }) => listShards(workdir, groups(workdir).length, validation),
  };
  return [encode, manifest];
}

/** The manifest, from what the encoding jobs reported of their files. */
async function listShards(workdir: string, jobs: number, validation: number): Promise<JobReport> {
  const { endOfTextId, loadTokenizer, vocabularySize, writeManifest } = await machinery();
  const { vocabulary, hash } = loadTokenizer(tokenizerDir(workdir));
  const files: (ShardFile & { readonly split: Split })[] = [];
  for (let job = 0; job < jobs; job++) {
    const found = readReport(workdir, "shards", job, false);
    if (found.state !== "done") throw new Error(`the report of shard ${job} is ${found.state}`);
    files.push(...(found.report.outputs as readonly (ShardFile & { readonly split: Split })[]));
  }
  const documents = (split: Split) =>
    files.filter(file => file.split === split).reduce((sum, file) => sum + file.documents, 0);
  const warnings: string[] = [];
  if (documents("train") === 0)
    warnings.push("there is no training document; `curate stats` shows what the filters dropped");
  else if (documents("val") === 0) {
    warnings.push(
      `no document was chosen for validation: raise shards.validation (now ${validation}) or bring more documents`,
    );
  }
  const header = {
    tokenizerHash: hash,
    eot: endOfTextId(vocabulary),
    vocabularySize: vocabularySize(vocabulary),
  };
  const manifest = writeManifest(shardsDir(workdir), header, files);
  return { stats: [], outputs: relativeTo(workdir, [manifest]), warnings };
}
