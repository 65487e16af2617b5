/**
 * The studio over a million documents: CPU time of each kind of answer, in the process that serves it. The documents
 * are those of the default recipe's run, repeated under other ids, with the beginning of their texts.
 *
 *     node dist/bench/studio.js runs/fixtures [--documents 1000000]
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createTable, openTable, type Row, type Schema } from "../lib/parquet.ts";
import type { DocumentPage } from "../studio/api.ts";
import { serve } from "../studio/server/app.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { documents: { type: "string", default: "1000000" } },
});
const from = positionals[0] ?? "runs/fixtures";
const documents = Number(values.documents);
const inPart = 10_000;

async function rowsOf(...path: string[]): Promise<Row[]> {
  const rows: Row[] = [];
  const dir = join(from, ...path);
  for (const name of readdirSync(dir)) {
    const table = await openTable(join(dir, name));
    for await (const row of table.read({ columns: table.columns })) rows.push(row);
    table.close();
  }
  return rows;
}

const schemaOf = (rows: readonly Row[]): Schema =>
  Object.fromEntries(
    Object.keys(rows[0]!).map(name => {
      const cell = rows.map(row => row[name]).find(value => value !== null && value !== undefined);
      return [name, typeof cell === "number" ? "double" : typeof cell === "bigint" ? "int" : "string"];
    }),
  ) as Schema;

/** Rows repeated under ids that tell the part and the place. */
function repeat(dir: string, rows: readonly Row[], share: number) {
  mkdirSync(dir, { recursive: true });
  const schema = schemaOf(rows);
  const parts = Math.ceil(documents / inPart);
  for (let part = 0; part < parts; part++) {
    const table = createTable(join(dir, `part-${String(part).padStart(5, "0")}.parquet`), schema);
    for (let i = 0; i < Math.round(inPart * share); i++) {
      const row = rows[i % rows.length]!;
      table.add({
        ...row,
        id: `${row["id"]}-${part}-${i}`,
        ...("text" in row ? { text: String(row["text"]).slice(0, 200) } : {}),
      });
    }
    table.commit();
  }
}

const dir = mkdtempSync(join(tmpdir(), "curate-studio-"));
try {
  const decided = await rowsOf("decisions", "documents-1");
  const kept = await rowsOf("documents");
  repeat(join(dir, "decisions", "documents-1"), decided, 1);
  repeat(join(dir, "measures", "gopher-quality"), await rowsOf("measures", "gopher-quality"), 0.8);
  repeat(join(dir, "documents"), kept, 0.57);
  for (const name of ["run.json", "stats.json", "recipe.yaml"]) cpSync(join(from, name), join(dir, name));
  cpSync(join(from, "work", "plan.json"), join(dir, "work", "plan.json"));
  const studio = await serve({ workdir: dir, compare: [], port: 0, device: "cpu" });
  const ask = async (what: string, path: string) => {
    const before = process.cpuUsage();
    const response = await fetch(new URL(path, studio.address));
    const answer: unknown = await response.json();
    const { user, system } = process.cpuUsage(before);
    console.log(
      `${what.padEnd(52)} ${((user + system) / 1e6).toFixed(2).padStart(6)} CPU s   ${response.status}`,
    );
    return answer;
  };
  console.log(`${documents} documents, node ${process.version}`);
  const { rows } = (await ask("a list", "/api/documents?state=rejected")) as DocumentPage;
  await ask("a list by reason", "/api/documents?state=rejected&stage=gopher-quality");
  await ask("words of a text, until the page is full or time is up", "/api/documents?q=winter");
  const listed = rows[10]!;
  await ask(
    "a document from the list",
    `/api/document?id=${encodeURIComponent(listed.id)}&part=${listed.part}`,
  );
  const far = (n: number) => `${decided[n]!["id"]}-${Math.floor(documents / inPart) - 1}-${n}`;
  await ask("a document by its id alone, the first time", `/api/document?id=${encodeURIComponent(far(3))}`);
  await ask("a document by its id alone, after that", `/api/document?id=${encodeURIComponent(far(5))}`);
  await ask("an id that is not there", "/api/document?id=nobody");
  await ask("the measures of a filter, the first time", "/api/measures?stage=gopher-quality");
  await ask("a dragged threshold", "/api/what-if?stage=gopher-quality&option=minWords&value=200");
  await studio.close();
} finally {
  rmSync(dir, { recursive: true });
}
