/** `curate explain <document id or URL>`: which stage decided about it, with which value against which threshold. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { type Row, readTable } from "../lib/parquet.ts";
import { duplicateTables } from "../pipeline/report/gather.ts";
import { readPlan } from "../pipeline/report/workdir.ts";
import type { FlagValues } from "./command.ts";
import type { explainFlags } from "./explain.ts";
import { verdictText } from "./inspect-documents.ts";
import { workdirOf } from "./load.ts";
import { json, out, printable, styled } from "./terminal.ts";

type Story = {
  readonly id: string;
  readonly url: string | null;
  readonly decision: Row;
  readonly measures: Record<string, Row>;
  readonly duplicates: Row | null;
};

function files(dir: string): string[] {
  return existsSync(dir)
    ? readdirSync(dir)
        .sort()
        .map(name => join(dir, name))
    : [];
}

async function* decisions(workdir: string): AsyncGenerator<Row> {
  for (const phase of files(join(workdir, "decisions")))
    for (const file of files(phase)) yield* readTable(file);
}

async function findRow(paths: readonly string[], id: string): Promise<Row | null> {
  for (const path of paths) for await (const row of readTable(path)) if (row["id"] === id) return row;
  return null;
}

/** Everything the run recorded about the documents with this id or URL. */
export async function tellStories(workdir: string, idOrUrl: string): Promise<Story[]> {
  const wanted = idOrUrl.startsWith("<") ? idOrUrl : idOrUrl.startsWith("urn:") ? `<${idOrUrl}>` : idOrUrl;
  const found: Row[] = [];
  for await (const row of decisions(workdir))
    if (row["id"] === wanted || row["url"] === wanted || row["id"] === idOrUrl) found.push(row);
  const stages = readPlan(workdir).recipe.stages.map(stage => stage.name);
  const stories: Story[] = [];
  for (const decision of found) {
    const id = String(decision["id"]);
    const measures: Record<string, Row> = {};
    for (const stage of stages) {
      const row = await findRow(files(join(workdir, "measures", stage)), id);
      if (row) measures[stage] = row;
    }
    stories.push({
      id,
      url: decision["url"] as string | null,
      decision,
      measures,
      duplicates: await findRow(duplicateTables(workdir), id),
    });
  }
  return stories;
}

export async function explainDocument([wanted]: readonly string[], flags: FlagValues<typeof explainFlags>) {
  if (wanted === undefined) throw new UserError("explain which document?", "Give a WARC-Record-ID or a URL.");
  const workdir = workdirOf(flags.workdir);
  const stories = await tellStories(workdir, wanted);
  if (stories.length === 0)
    throw new UserError(
      `the run has no document ${wanted}`,
      "Give the whole URL or the whole id, as `curate inspect` prints them.",
    );
  for (const story of stories) {
    if (flags.json) json(story);
    else out(storyText(story));
  }
}

function storyText({ id, url, decision, measures, duplicates }: Story): string {
  const lines = [
    styled(printable(url ?? id), "bold"),
    styled(id, "dim"),
    `in ${decision["warc_file"]} at byte ${decision["warc_offset"]}`,
    "",
  ];
  for (const [stage, { id: _, reason, ...values }] of Object.entries(measures)) {
    const shown = Object.entries(values).map(
      ([name, value]) => `${name} ${typeof value === "number" ? Number(value.toPrecision(4)) : value}`,
    );
    lines.push(
      `${stage}: ${reason ? styled(String(reason), "red") : styled("passed", "green")}  ${styled(shown.join(" · "), "dim")}`,
    );
  }
  if (duplicates)
    lines.push(
      `cluster ${duplicates["cluster_id"]} of ${duplicates["cluster_size"]} documents, kept: ${duplicates["kept_id"]}`,
    );
  const reason = String(decision["reason"]);
  if (reason === "kept") lines.push(styled("Kept: it is in the corpus.", "green"));
  else {
    const verdict = verdictText({ reason, value: decision["value"], threshold: decision["threshold"] });
    lines.push(styled(`Dropped by ${decision["stage"]}: ${printable(verdict)}`, "red"));
  }
  return `${lines.join("\n")}\n`;
}
