/**
 * stages.yaml -> Recipe: every key known, every value right, every default filled in, or a UserError that names the
 * file and line, what was expected, what was got and the nearest right name. Nothing is read or written besides the
 * text given. Knows stages only through the catalogue handed in, because some of them live in other rooms.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLMap } from "yaml";
import { nearest, shown, UserError } from "../lib/errors.ts";
import {
  count,
  defaults,
  fraction,
  integer,
  type Option,
  type Options,
  optional,
  size,
  text,
  texts,
} from "../lib/options.ts";
import { crawlOptions, isStreamed } from "./fetch/options.ts";

export type CatalogueEntry = {
  readonly name: string;
  readonly kind: "filter" | "extractor" | "formatter" | "dedup" | "corpus";
  readonly options: Options;
  readonly presets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** For the reference: one sentence, and where the numbers come from. */
  readonly about?: string;
  readonly source?: string;
  readonly reasons?: readonly string[];
};
export type Catalogue = ReadonlyMap<string, CatalogueEntry>;

export type StageMode = "drop" | "tag";
export type RecipeStage = {
  readonly name: string;
  readonly mode: StageMode;
  readonly preset: string | null;
  readonly options: Readonly<Record<string, unknown>>;
};

export type Recipe = {
  readonly version: 1;
  readonly name: string;
  readonly seed: number;
  readonly memory: number;
  readonly workers: number | null;
  readonly workdir: string;
  readonly slurm?: Readonly<Record<string, string>> | null;
  readonly source: Readonly<Record<string, unknown>>;
  readonly keepRejected: { readonly sample: number; readonly minPerReason: number };
  readonly stages: readonly RecipeStage[];
};

/** Options of sbatch that the executor sets itself. */
const ownOfSlurm =
  /^--(?:array|dependency|job-name|output|open-mode|ntasks|parsable|wrap|kill-on-invalid-dep)\b/;

/** What a stage's jobs ask of a Slurm cluster, as words of sbatch's command line. */
const clusterOption: Option<Readonly<Record<string, string>>> = {
  about: "what jobs ask of a Slurm cluster, for all stages or for single ones; never changes the output",
  expects:
    'a mapping from stages, or all, to options of sbatch, each --name=value, such as { all: --partition=short, train: "--time=24:00:00 --gres=gpu:1" }',
  default: {},
  parse(raw) {
    if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return undefined;
    const right = Object.values(raw).every(
      value =>
        typeof value === "string" &&
        value
          .trim()
          .split(/\s+/)
          .every(word => /^--[a-z][a-z-]*(?:=\S+)?$/.test(word) && !ownOfSlurm.test(word)),
    );
    return right ? (raw as Record<string, string>) : undefined;
  },
};

export const topOptions = {
  name: text("curate", "what the run is called"),
  seed: integer(17, "the only source of randomness in the run", { min: 0, max: 4294967295 }),
  memory: size(2e9, "what a stage may hold in memory before it spills to disk", { min: 64e6 }),
  workers: optional(
    integer(1, "worker threads; null or auto is one per core; never changes the output", {
      min: 1,
      max: 1024,
    }),
  ),
  workdir: text("runs/curate", "folder for everything the run writes"),
  slurm: optional(clusterOption),
} satisfies Options;

export const keepRejectedOptions = {
  sample: fraction(0.01, "share of the dropped documents kept for reading, chosen by seed and id"),
  minPerReason: count(20, "at least this many for each reason and task"),
} satisfies Options;

/** Which keys name the inputs; one of them must be given. */
export const inputKeys = ["warc", "wet", "jsonl", "parquet", "commoncrawl"] as const;

export const inputOptions = {
  warc: texts([], "WARC or ARC files, globs allowed"),
  wet: texts([], "WET files (extracted text), globs allowed"),
  jsonl: texts([], "JSON lines with a text field, globs allowed"),
  parquet: texts([], "Parquet files with a text column, globs allowed"),
} satisfies Options;

export type RecipeText = {
  readonly text: string;
  /** As shown in messages. */
  readonly path: string;
  /** `--set a.b=c`, already split. */
  readonly set?: readonly { readonly address: string; readonly value: string }[];
};

export function parseRecipe(from: RecipeText, catalogue: Catalogue, sourceOptions: Options): Recipe {
  try {
    return readRecipe(from, catalogue, sourceOptions);
  } catch (error) {
    // The YAML library's word for an alias without an anchor, and for aliases that unfold without end.
    if (!(error instanceof ReferenceError)) throw error;
    throw new UserError(`${from.path}: not valid YAML: ${error.message}`);
  }
}

function readRecipe(from: RecipeText, catalogue: Catalogue, sourceOptions: Options): Recipe {
  const lines = new LineCounter();
  const document = parseDocument(from.text, { version: "1.2", lineCounter: lines, prettyErrors: false });
  const line = (node: Node | null | undefined) => (node?.range ? lines.linePos(node.range[0]).line : 1);
  const fail = (at: Node | null | undefined, message: string, hint: string | null = null): never => {
    throw new UserError(`${from.path}:${line(at)}: ${message}`, hint);
  };
  const syntax = document.errors[0];
  if (syntax)
    throw new UserError(
      `${from.path}:${lines.linePos(syntax.pos[0]).line}: not valid YAML: ${syntax.message}`,
    );
  const root = document.contents;
  if (!isMap(root))
    return fail(root, `expected a mapping with the keys source and stages, got ${shown(document.toJS())}`);

  const top = pairs(root);
  const topKeys = ["version", ...Object.keys(topOptions), "source", "keepRejected", "stages"];
  for (const [key, pair] of top) {
    if (!topKeys.includes(key)) fail(pair.key as Node, unknownKey("the recipe", "key", key, topKeys));
  }
  const version = top.get("version")?.value as Node | undefined;
  if (version && document.get("version") !== 1)
    fail(version, `version: expected 1, got ${shown(document.get("version"))}`);

  const values: Record<string, unknown> = { ...defaults(topOptions) };
  for (const [key, pair] of top) {
    if (!(key in topOptions)) continue;
    const raw =
      isScalar(pair.value) && key === "workers" && pair.value.value === "auto" ? null : js(pair.value);
    values[key] = checked(topOptions as Options, "", key, raw, message => fail(pair.key as Node, message));
  }

  const keepRejected = { ...defaults(keepRejectedOptions) } as Record<string, unknown>;
  const keepNode = top.get("keepRejected");
  if (keepNode && isScalar(keepNode.value) && keepNode.value.value === "all") keepRejected["sample"] = 1;
  else if (keepNode)
    readOptions(keepNode.value as Node, "keepRejected", keepRejectedOptions, keepRejected, fail);

  const sourceNode = top.get("source")?.value as Node | undefined;
  if (!sourceNode)
    fail(
      root,
      "no source: expected a key source with warc, wet, jsonl, parquet or commoncrawl",
      'For example  source: { warc: ["crawl/*.warc.gz"] }',
    );
  const allSource: Options = { ...inputOptions, ...crawlOptions, ...sourceOptions };
  const read: Record<string, unknown> = {};
  const given = readOptions(sourceNode!, "source", allSource, read, fail);
  const kinds = inputKeys.filter(key => given.includes(key));
  if (kinds.length !== 1) {
    fail(
      sourceNode,
      `source: expected exactly one of ${inputKeys.join(", ")}, got ${kinds.length === 0 ? "none" : kinds.join(" and ")}`,
    );
  }
  const ofCrawl = given.find(key => key in crawlOptions);
  if (ofCrawl && kinds[0] !== "commoncrawl")
    fail(sourceNode, `source.${ofCrawl}: only a source with commoncrawl has it, got ${kinds[0]}`);
  if (read["index"] && given.includes("files"))
    fail(
      sourceNode,
      "source.files: a source with an index has no files to choose; it reads every record found",
    );
  const setSource: Options = {
    ...inputOptions,
    ...(kinds[0] === "commoncrawl" ? crawlOptions : {}),
    ...sourceOptions,
  };
  const source = { ...defaults(setSource), ...read };

  const stagesNode = top.get("stages")?.value as Node | undefined;
  if (!stagesNode) fail(root, "no stages: expected a key stages with a list of stage names");
  if (!isSeq(stagesNode)) return fail(stagesNode, `stages: expected a list, got ${shown(js(stagesNode))}`);
  if (stagesNode.items.length === 0) fail(stagesNode, "stages: the list is empty");
  const stages = stagesNode.items.map(item => readStage(item as Node, catalogue, fail));
  stages.forEach((stage, i) => {
    if (stages.findIndex(other => other.name === stage.name) !== i)
      fail(stagesNode.items[i] as Node, `stage ${stage.name} appears twice`);
  });
  const recipe = { version: 1, ...values, source, keepRejected, stages } as unknown as Recipe;
  return checkOrder(applySets(recipe, from, catalogue, setSource), from.path, catalogue);
}

type Fail = (at: Node | null | undefined, message: string, hint?: string | null) => never;

function js(node: unknown): unknown {
  return node === null || node === undefined
    ? null
    : isScalar(node)
      ? node.value
      : (node as { toJSON(): unknown }).toJSON();
}

function pairs(map: YAMLMap): Map<string, Pair> {
  return new Map(map.items.map(pair => [String(js(pair.key)), pair]));
}

function unknownKey(where: string, what: string, key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return `${where} has no ${what} ${shown(key)}.${near ? ` Did you mean ${near}?` : ""} Known: ${known.join(", ")}`;
}

function checked(
  options: Options,
  where: string,
  key: string,
  raw: unknown,
  fail: (message: string) => never,
): unknown {
  const option = options[key]!;
  const value = option.parse(raw);
  if (value === undefined) {
    fail(
      `${where ? `${where}.` : ""}${key}: expected ${option.expects}, got ${shown(raw)} (${option.about}; default ${shown(option.default)})`,
    );
  }
  return value;
}

/** Fills `into` with what the mapping at `node` says; gives the keys that were there. */
function readOptions(
  node: Node,
  where: string,
  options: Options,
  into: Record<string, unknown>,
  fail: Fail,
): string[] {
  if (js(node) === null) return [];
  if (!isMap(node)) return fail(node, `${where}: expected a mapping of options, got ${shown(js(node))}`);
  const given: string[] = [];
  for (const [key, pair] of pairs(node)) {
    if (!(key in options)) fail(pair.key as Node, unknownKey(where, "option", key, Object.keys(options)));
    into[key] = checked(options, where, key, js(pair.value), message => fail(pair.key as Node, message));
    given.push(key);
  }
  return given;
}

function readStage(item: Node, catalogue: Catalogue, fail: Fail): RecipeStage {
  const map = isMap(item) ? item : null;
  if (map && map.items.length !== 1)
    fail(
      item,
      `a stage is a name, or a name with options; got ${shown(js(item))}`,
      "Write  - name: { option: value }",
    );
  const pair = map?.items[0];
  const name = pair ? js(pair.key) : js(item);
  const entry = typeof name === "string" ? catalogue.get(name) : undefined;
  if (!entry)
    return fail(
      pair ? (pair.key as Node) : item,
      unknownKey("curate", "stage", String(name), [...catalogue.keys()]),
    );
  const body = pair?.value as Node | undefined;
  const rest = new Map<string, unknown>();
  if (body && isMap(body)) {
    for (const key of ["preset", "mode"]) {
      if (body.has(key) && !(key in entry.options)) {
        rest.set(key, body.get(key));
        body.delete(key);
      }
    }
  }
  const preset = rest.get("preset") ?? null;
  const presets = entry.presets ?? {};
  if (preset !== null && !(String(preset) in presets)) {
    const known = Object.keys(presets);
    fail(
      body,
      known.length === 0
        ? `${entry.name} has no presets, got ${shown(preset)}`
        : unknownKey(entry.name, "preset", String(preset), known),
    );
  }
  const mode = rest.get("mode") ?? "drop";
  if (mode !== "drop" && mode !== "tag")
    fail(body, `${entry.name}.mode: expected drop or tag, got ${shown(mode)}`);
  if (mode === "tag" && entry.kind !== "filter")
    fail(body, `${entry.name}.mode: only filters can tag; ${entry.name} is a ${entry.kind} stage`);
  const options: Record<string, unknown> = {
    ...defaults(entry.options),
    ...(preset === null ? {} : presets[String(preset)]),
  };
  if (body) readOptions(body, entry.name, entry.options, options, fail);
  return { name: entry.name, mode: mode as StageMode, preset: preset as string | null, options };
}

/** Overrides from the command line: `gopher-quality.minWords=80`, `seed=3`, `source.status=any`. */
function applySets(recipe: Recipe, from: RecipeText, catalogue: Catalogue, sourceOptions: Options): Recipe {
  let result = recipe;
  for (const { address, value } of from.set ?? []) {
    const where = `--set ${address}=${value}`;
    const fail = (message: string): never => {
      throw new UserError(`${where}: ${message}`);
    };
    const raw = parseDocument(value, { version: "1.2" }).toJS() as unknown;
    const dot = address.indexOf(".");
    const head = dot < 0 ? address : address.slice(0, dot);
    const key = dot < 0 ? "" : address.slice(dot + 1);
    const stage = recipe.stages.find(candidate => candidate.name === head);
    if (key === "") {
      if (!(head in topOptions))
        fail(
          unknownKey("the recipe", "key", head, [
            ...Object.keys(topOptions),
            "source.…",
            ...recipe.stages.map(s => `${s.name}.…`),
          ]),
        );
      result = {
        ...result,
        [head]: checked(
          topOptions as Options,
          "",
          head,
          head === "workers" && raw === "auto" ? null : raw,
          fail,
        ),
      };
    } else if (head === "source") {
      if (!(key in sourceOptions)) fail(unknownKey("source", "option", key, Object.keys(sourceOptions)));
      result = {
        ...result,
        source: { ...result.source, [key]: checked(sourceOptions, "source", key, raw, fail) },
      };
    } else if (head === "keepRejected") {
      if (!(key in keepRejectedOptions))
        fail(unknownKey("keepRejected", "option", key, Object.keys(keepRejectedOptions)));
      result = {
        ...result,
        keepRejected: {
          ...result.keepRejected,
          [key]: checked(keepRejectedOptions as Options, head, key, raw, fail),
        },
      };
    } else if (stage) {
      const { options } = catalogue.get(head)!;
      if (key === "mode") {
        if (raw !== "drop" && raw !== "tag") fail(`expected drop or tag, got ${shown(raw)}`);
      } else if (!(key in options)) fail(unknownKey(head, "option", key, Object.keys(options)));
      const changed = (old: RecipeStage): RecipeStage =>
        key === "mode"
          ? { ...old, mode: raw as StageMode }
          : { ...old, options: { ...old.options, [key]: checked(options, head, key, raw, fail) } };
      result = { ...result, stages: result.stages.map(old => (old.name === head ? changed(old) : old)) };
    } else {
      const known = catalogue.has(head)
        ? `the recipe does not use the stage ${head}`
        : unknownKey(
            "the recipe",
            "stage",
            head,
            recipe.stages.map(s => s.name),
          );
      fail(known);
    }
  }
  return result;
}

const before: Readonly<Record<string, readonly string[]>> = {
  shards: ["tokenizer"],
  train: ["shards"],
  sample: ["train"],
};

function checkOrder(recipe: Recipe, path: string, catalogue: Catalogue): Recipe {
  const names = recipe.stages.map(stage => stage.name);
  const fail = (message: string, hint: string | null = null): never => {
    throw new UserError(`${path}: ${message}`, hint);
  };
  for (const name of Object.keys(recipe.slurm ?? {}))
    if (name !== "all" && !names.includes(name)) fail(unknownKey("slurm", "stage", name, ["all", ...names]));
  if (isStreamed(recipe.source) && recipe.source["index"])
    fail(
      "source.cache: none is for whole files; records found through an index cost a request each and are kept",
      "Take  cache: none  away, or name a folder.",
    );
  const fromPages =
    (recipe.source["warc"] as readonly string[]).length > 0 || recipe.source["commoncrawl"] != null;
  const extract = names.indexOf("extract");
  const needsPage = ["url-filter", "opt-out"];
  for (const [i, name] of names.entries()) {
    const { kind } = catalogue.get(name)!;
    const needsText = kind !== "extractor" && !needsPage.includes(name);
    if (fromPages && needsText && (extract < 0 || extract > i)) {
      fail(
        `stage ${name} needs text, but ${extract < 0 ? "there is no stage extract" : "extract comes after it"}`,
        "Put  - extract  before it.",
      );
    }
    const firstCorpus = names.findIndex(other => catalogue.get(other)!.kind === "corpus");
    if (kind !== "corpus" && firstCorpus >= 0 && i > firstCorpus)
      fail(`stage ${name} works on documents and must come before ${names[firstCorpus]}`);
    for (const needed of before[name] ?? []) {
      if (names.indexOf(needed) < 0 || names.indexOf(needed) > i)
        fail(`stage ${name} needs the stage ${needed} before it`);
    }
  }
  return recipe;
}
