/** The words of `curate tokenizer inspect`: what it found, most telling first, within the terminal's columns. Knows no files. */
import { textOf } from "../tokenizer/inspect/kinds.ts";
import {
  bytes,
  fill,
  lineWidth,
  number,
  out,
  percent,
  printable,
  shortened,
  styled,
  table,
  visibleWidth,
} from "./terminal.ts";
import type { Report, ShownToken } from "./tokenizer-inspect.ts";

/** A token in quotes: control characters as escapes, and bytes that are no whole characters as hexadecimal. */
export function tokenLabel(token: Uint8Array): string {
  const text = textOf(token);
  if (!text.includes("\ufffd") || Buffer.compare(Buffer.from(text), token) === 0) return JSON.stringify(text);
  const shown = (byte: number) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  return `"${Array.from(token, shown).join("")}"`;
}

/** On a terminal names are cut to their place; a file gets them whole. */
const fitted = (text: string, columns: number) => (process.stdout.isTTY ? shortened(text, columns) : text);
const strong = (text: string) => styled(text, "bold");
const dim = (text: string) => styled(text, "dim");
const heading = (text: string, about = "") => {
  const apart = text.length + about.length + 2 > lineWidth() ? "\n" : "  ";
  out(`\n${strong(text)}${about ? apart + dim(about) : ""}`);
};

/** Words in lines, as many lines as given, then how many more there are. */
function wrapped(words: readonly string[], mostLines = 4): string {
  if (words.length === 0) return "  none";
  const columns = lineWidth();
  const fitting = words.map(word => fitted(printable(word), columns - 4));
  const lines = fill(fitting, columns - 2, 2).slice(0, mostLines);
  const text = lines.map(line => `  ${line.join("  ")}`);
  const left = words.length - lines.flat().length;
  if (left === 0) return text.join("\n");
  const more = `  and ${number(left)} more`;
  const apart = visibleWidth(text.at(-1)!) + more.length > columns ? "\n" : "";
  return text.join("\n") + apart + dim(more);
}

const texts = (tokens: readonly ShownToken[]) => tokens.map(token => token.text);

export function printReport(report: Report): void {
  summary(report);
  kinds(report);
  compressionTables(report);
  if (report.frequent) {
    heading("used most");
    out(wrapped(texts(report.frequent), 2));
  }
  heading("longest", "boilerplate shows here first");
  out(wrapped(texts(report.longest)));
  oddTokens(report);
  unused(report);
  heading("unreachable", "in the vocabulary, but no text gives them");
  out(wrapped(texts(report.unreachable)));
}

function summary({ size, pattern, unicode, training, costs, usage, lastMerges }: Report): void {
  const rule = training ? `, ties ${training.ties}` : "";
  out(`${strong(`${number(size)} tokens`)}, pattern ${pattern}${rule}, Unicode ${unicode}`);
  if (training) {
    const { corpus, words, mergeCounts } = training;
    out(
      `trained on ${bytes(corpus.bytes)} in ${number(corpus.documents)} documents, ${number(words)} different pieces`,
    );
    for (const cost of costs) out(cost);
    const last = mergeCounts.at(-1);
    if (last !== undefined)
      out(
        `the first pair that merged occurred ${number(mergeCounts[0]!)} times, the last ${number(last)}: ${lastMerges.at(-1)?.text}`,
      );
  }
  if (usage)
    out(
      `${percent(usage.used)} of the vocabulary is used in ${number(usage.tokens)} training tokens; ${usage.entropy.toFixed(2)} bits a token, ${percent(usage.efficiency)} of what is possible`,
    );
}

function kinds({ kinds, scripts, spellings, size, usage }: Report): void {
  heading("what the tokens are");
  const body = kinds
    .filter(({ tokens }) => tokens > 0)
    .map(({ kind, tokens, uses, examples }) => [
      `  ${kind}`,
      number(tokens),
      percent(tokens / size),
      ...(usage ? [percent((uses ?? 0) / Math.max(1, usage.tokens))] : []),
      dim(fitted(printable(texts(examples).slice(0, 5).join(" ")), lineWidth() - (usage ? 54 : 46))),
    ]);
  const head = ["  kind", "tokens", "of all", ...(usage ? ["of uses"] : []), "for example"].map(dim);
  out(table([head, ...body], ["left", "right", "right", ...(usage ? ["right" as const] : []), "left"]));
  const named = Object.entries(scripts).map(([name, count]) => `${name} ${number(count)}`);
  if (named.length > 0) out(`  scripts: ${named.join(", ")}`);
  if (spellings.words > 0)
    out(
      `  ${number(spellings.tokens)} tokens are ${number(spellings.words)} words that differ in case or in a space before them`,
    );
}

function compressionTables({ compression, compressionBySource, rivals, wholeWords }: Report): void {
  if (compression.length === 0 || compression.at(-1)!.documents === 0) return;
  const [own, ...others] = rivals;
  const perToken = (row: (typeof compression)[number], name: string) =>
    row.bytes / Math.max(1, row.tokens[name]!);
  // Where all does not fit beside the names, first the rivals' own figures go, then the number of documents.
  const width = lineWidth();
  const figures = width >= 98;
  const counts = width >= 64;
  const rest =
    6 +
    (counts ? 11 : 0) +
    others.reduce((sum, { name }) => sum + (figures ? 8 : 2) + Math.max(6, name.length), 0);
  const label = (text: string) => fitted(`  ${text}`, width - rest);
  const cells = (row: (typeof compression)[number]) => [
    label(row.group),
    ...(counts ? [number(row.documents)] : []),
    perToken(row, own!.name).toFixed(2),
    ...others.flatMap(({ name }) => {
      const difference = perToken(row, own!.name) / perToken(row, name) - 1;
      const text = `${difference < 0 ? "−" : "+"}${Math.abs(100 * difference).toFixed(0)} %`;
      const shown = difference < 0 ? dim(text) : styled(text, "green");
      return figures ? [perToken(row, name).toFixed(2), shown] : [shown];
    }),
  ];
  const head = (by: string) =>
    [
      label(`by ${by}`),
      ...(counts ? ["documents"] : []),
      "this",
      ...others.flatMap(({ name }) => (figures ? [name, ""] : [name])),
    ].map(dim);
  const align = head("").map((_, column) => (column === 0 ? ("left" as const) : ("right" as const)));
  heading(
    "bytes a token",
    figures
      ? "more is better; beside each rival what this vocabulary has more or less"
      : "more is better; under each rival what this vocabulary has more or less",
  );
  out(table([head("language"), ...compression.map(cells)], align));
  const sources = compressionBySource.slice(0, -1).sort((a, b) => b.bytes - a.bytes);
  const many = sources.length > 16 ? sources.slice(0, 10) : sources;
  if (sources.length > 1) {
    out(`\n${table([head("source, most text first"), ...many.map(cells)], align)}`);
    const worst = [...sources]
      .filter(row => row.bytes > 2000 && !many.includes(row))
      .sort((a, b) => perToken(a, own!.name) - perToken(b, own!.name))
      .slice(0, 3);
    if (worst.length > 0) out(table([head("source, least compressed"), ...worst.map(cells)], align));
  }
  const shares = rivals.map(({ name }) => `${name} ${percent(wholeWords[name]!)}`);
  out(`  words that are one token: ${shares.join(", ")}`);
  out(`  vocabularies: ${rivals.map(({ name, size }) => `${name} ${number(size)}`).join(", ")} tokens`);
}

const abouts = {
  repeated: "one character again and again",
  "few-documents": "used often, in one or two documents only",
  mojibake: "text decoded wrongly",
  "code-like": "letters and digits mixed, markup, addresses",
} as const;

function oddTokens({ odd }: Report): void {
  heading(`odd (${number(odd.length)})`, "accidents of the corpus");
  if (odd.length === 0) return out("  none");
  for (const [oddity, about] of Object.entries(abouts)) {
    const own = odd.filter(token => token.oddity === oddity);
    if (own.length === 0) continue;
    own.sort((a, b) => (b.uses ?? 0) - (a.uses ?? 0));
    out(`  ${about}: ${number(own.length)}`);
    out(
      wrapped(
        own.map(token => (token.uses === undefined ? token.text : `${token.text} ×${number(token.uses)}`)),
        2,
      ).replace(/^/gm, "  "),
    );
  }
}

function unused({ rare, unused }: Report): void {
  if (!rare) return;
  const singles = rare.length - unused.length;
  heading(`never used (${number(unused.length)})`, "not in one training document");
  out(wrapped(unused.map(({ text, within }) => (within ? `${text} within ${within}` : text))));
  if (singles > 0) out(dim(`  and ${number(singles)} single bytes, which are there for any text to come`));
}
