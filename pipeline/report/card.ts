/**
 * `DATASET_CARD.md` in the form the Hugging Face hub reads: a YAML header, then what the corpus is, where it comes
 * from, the funnel, what was opted out, and what a user must know. All numbers are sums of the run's statistics.
 */
import { stringify } from "yaml";
import { droppedTotal } from "../stats.ts";
import { documentsSchema } from "../writers/documents.ts";
import { grouped } from "./charts.ts";
import type { ReportData } from "./gather.ts";

function sizeCategory(n: number): string {
  const bounds: [number, string][] = [
    [1e3, "n<1K"],
    [1e4, "1K<n<10K"],
    [1e5, "10K<n<100K"],
    [1e6, "100K<n<1M"],
    [1e7, "1M<n<10M"],
    [1e8, "10M<n<100M"],
    [1e9, "100M<n<1B"],
  ];
  return bounds.find(([bound]) => n < bound)?.[1] ?? "n>1B";
}

/** Hugging Face's names of the column types. */
const dtypes = { string: "string", double: "float64", int: "int64", boolean: "bool" } as const;

const meanings: Readonly<Record<keyof typeof documentsSchema, string>> = {
  id: "WARC-Record-ID",
  url: "address of the page",
  text: "the document",
  date: "when it was fetched, ISO 8601",
  language: "code of the likeliest language",
  language_score: "its score, 0 to 1",
  title: "the page's title",
  warc_file: "file of the crawl",
  warc_offset: "byte in it",
  minhash_cluster_id: "cluster of near-duplicates that the document stands for",
  minhash_cluster_size: "how many documents that cluster had; 1 for one without copies",
  meta: "what else stages recorded, as JSON",
};

const columns = (): string =>
  Object.entries(documentsSchema)
    .map(([name, type]) => `| ${name} | ${dtypes[type]} | ${meanings[name as keyof typeof meanings]} |`)
    .join("\n");

const isCrawl = ({ plan }: ReportData): boolean => plan.inputs.some(({ name }) => /CC-MAIN-\d{4}/.test(name));

export function datasetCard(data: ReportData): string {
  const { plan, stages, kept } = data;
  const header = {
    pretty_name: plan.recipe.name,
    license: "other",
    language: data.languages.filter(({ after }) => after > 0).map(({ name }) => name),
    size_categories: [sizeCategory(kept.documents)],
    task_categories: ["text-generation"],
    tags: ["curate", "web", ...(isCrawl(data) ? ["common-crawl"] : [])],
    dataset_info: {
      features: Object.entries(documentsSchema).map(([name, type]) => ({ name, dtype: dtypes[type] })),
      splits: [{ name: "train", num_examples: kept.documents }],
    },
    configs: [{ config_name: "default", data_files: [{ split: "train", path: "documents/*.parquet" }] }],
  };
  const optOut = stages.find(stage => stage.name === "opt-out");
  const optOuts = optOut
    ? Object.entries(optOut.dropped).map(([reason, n]) => `- ${reason}: ${grouped(n)}`)
    : ["- The recipe had no `opt-out` stage."];
  const funnel = stages.map(stage => {
    const reasons = Object.entries(stage.dropped)
      .sort(([, n], [, m]) => m - n)
      .slice(0, 5)
      .map(([reason, n]) => `${reason} ${grouped(n)}`);
    return `| ${stage.name} | ${grouped(stage.in)} | ${grouped(stage.out)} | ${grouped(droppedTotal(stage))} | ${grouped(stage.failed)} | ${reasons.join(", ")} |`;
  });
  const shownInputs = plan.inputs
    .slice(0, 20)
    .map(({ name, bytes }) => `- \`${name.replaceAll("`", "")}\` (${grouped(bytes)} bytes)`);
  if (plan.inputs.length > 20) shownInputs.push(`- and ${grouped(plan.inputs.length - 20)} more`);
  return `---
${stringify(header).trimEnd()}
---

# ${plan.recipe.name}

${grouped(kept.documents)} documents, ${grouped(kept.characters)} characters, curated from ${grouped(plan.inputs.length)} crawl files by curate ${plan.version}.

\`\`\`python
from datasets import load_dataset
documents = load_dataset("parquet", data_files="documents/*.parquet", split="train")
\`\`\`

| column | type | |
|---|---|---|
${columns()}

## Sources

${shownInputs.join("\n")}

## Funnel

| stage | in | out | dropped | failed | most frequent reasons |
|---|---:|---:|---:|---:|---|
${funnel.join("\n")}

## Opt-out

${optOuts.join("\n")}

## Personal data

${data.pii.kinds.length > 0 ? data.pii.kinds.map(([kind, n]) => `- ${kind}: ${grouped(n)} replaced`).join("\n") : "- No span was replaced."}

## Licence

The texts belong to the publishers of their pages; the url of each is in its row. ${isCrawl(data) ? "The pages come from Common Crawl, whose terms of use hold: https://commoncrawl.org/terms-of-use." : "Crawls of Common Crawl come under its terms of use: https://commoncrawl.org/terms-of-use."}
Choose the licence of the collection yourself and write it into the header above, where it is \`other\`; FineWeb chose odc-by.

## Recipe

The full recipe, every default written out, is \`recipe.yaml\`; seed ${plan.recipe.seed}.
`;
}
