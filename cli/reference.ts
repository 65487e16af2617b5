/**
 * Every key a recipe can have, from the declarations themselves: for the terminal (`curate help gopher-quality`) and
 * as the page docs/recipe.md (`curate help recipe`). Pure: options in, text out. An option without a line here cannot
 * exist, because the recipe check reads the same declarations.
 */
import { nearest, shown, UserError } from "../lib/errors.ts";
import type { Options } from "../lib/options.ts";
import { crawlOptions } from "../pipeline/fetch/options.ts";
import { sourceOptions } from "../pipeline/readers/settings.ts";
import {
  type Catalogue,
  type CatalogueEntry,
  inputOptions,
  keepRejectedOptions,
  topOptions,
} from "../pipeline/recipe.ts";

const sentence = (text: string): string => {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
};

/** A value as a recipe would have it: `[en, de]`, `off`, `65536`. */
function written(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "[]" : `[${value.map(written).join(", ")}]`;
  if (typeof value === "object") return JSON.stringify(value);
  if (typeof value === "string") return /^[\w@./:-]+$/.test(value) ? value : JSON.stringify(value);
  return String(value);
}

/** Presets side by side: only the values in which they differ from the defaults. */
function presetLines({ options, presets }: CatalogueEntry): string[] {
  return Object.entries(presets ?? {}).map(([name, values]) => {
    const changed = Object.entries(values).filter(
      ([key, value]) => JSON.stringify(value) !== JSON.stringify(options[key]?.default),
    );
    return `${name}: ${changed.length === 0 ? "the defaults" : changed.map(([key, value]) => `${key} ${written(value)}`).join(", ")}`;
  });
}

export function stageScreen(entry: CatalogueEntry): string {
  const rows = Object.entries(entry.options);
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  const lines = [
    `${entry.name}: ${sentence(entry.about ?? "")}`,
    "",
    `In a recipe   - ${entry.name}${rows.length > 0 ? `: { ${rows[0]![0]}: ${written(rows[0]![1].default)} }` : ""}`,
  ];
  if (rows.length > 0) lines.push("", "Options");
  for (const [name, option] of rows) {
    lines.push(`  ${name.padEnd(width)}  ${sentence(option.about)}`);
    lines.push(`  ${" ".repeat(width)}  ${option.expects}; default ${written(option.default)}`);
  }
  const presets = presetLines(entry);
  if (presets.length > 0) lines.push("", "Presets", ...presets.map(line => `  ${line}`));
  if (entry.reasons?.length) lines.push("", `Drops because  ${entry.reasons.join(", ")}`);
  if (entry.source) lines.push("", `Source  ${entry.source}`);
  return `${lines.join("\n")}\n`;
}

export function stageNamed(name: string, catalogue: Catalogue, others: readonly string[]): CatalogueEntry {
  const entry = catalogue.get(name);
  if (entry) return entry;
  const near = nearest(name, [...catalogue.keys(), ...others]);
  throw new UserError(
    `no command, stage or topic is called ${shown(name)}.${near ? ` Did you mean ${near}?` : ""}`,
    "See  curate --help  for commands, and  curate help recipe  for every stage of a recipe.",
  );
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function optionTable(options: Options): string[] {
  const rows = Object.entries(options);
  if (rows.length === 0) return ["No options.", ""];
  return [
    "| key | meaning | expects | default |",
    "|---|---|---|---|",
    ...rows.map(
      ([name, option]) =>
        `| \`${name}\` | ${cell(sentence(option.about))} | ${cell(option.expects)} | \`${cell(written(option.default))}\` |`,
    ),
    "",
  ];
}

/** The reference page, in Markdown. */
export function recipePage(catalogue: Catalogue): string {
  const stages = [...catalogue.values()].flatMap(entry => {
    const presets = presetLines(entry);
    return [
      `### ${entry.name}`,
      "",
      sentence(entry.about ?? ""),
      "",
      ...optionTable(entry.options),
      ...(presets.length > 0 ? ["Presets:", "", ...presets.map(line => `- ${line}`), ""] : []),
      ...(entry.reasons?.length
        ? [`Drops because: ${entry.reasons.map(reason => `\`${reason}\``).join(", ")}.`, ""]
        : []),
      ...(entry.source ? [`Source: ${sentence(entry.source)}`, ""] : []),
    ];
  });
  return `${[
    "# The recipe",
    "",
    "Every key of `stages.yaml`. This page is written by `npx curate help recipe` from the declarations that check a",
    "recipe, so it lacks nothing and has nothing more. `npx curate check --print` shows the values a recipe ends up with;",
    "every number has an address for `--set`, such as `--set gopher-quality.minWords=80`.",
    "",
    "## At the top",
    "",
    ...optionTable(topOptions),
    "`keepRejected` says how much of what is dropped stays readable; `keepRejected: all` keeps everything.",
    "",
    ...optionTable(keepRejectedOptions),
    "## source",
    "",
    "Exactly one kind of input.",
    "",
    ...optionTable(inputOptions),
    "With `commoncrawl`, also:",
    "",
    ...optionTable(crawlOptions),
    "With any of them:",
    "",
    ...optionTable(sourceOptions),
    "## stages",
    "",
    "A list in the order of running. A stage is a name, or a name with options. Any stage that judges documents also takes",
    "`mode: tag`, which keeps every document and only records what would have been decided, and `preset:` where presets are",
    "listed.",
    "",
    ...stages,
  ]
    .join("\n")
    .trimEnd()}\n`;
}
