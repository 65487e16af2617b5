/**
 * Filters that the user wrote: a module whose default export is a function of the document, in TypeScript or
 * JavaScript, named in the recipe by its path. It is read like any other file of a stage, so that a changed module
 * redoes the work, and so are the modules it imports by relative paths; beyond those it may import what Node.js has.
 * A module that throws costs one document. It runs with all rights of the program: run your own only.
 */
import * as nodeModule from "node:module";
import { posix } from "node:path";
import { shown, UserError } from "../../lib/errors.ts";
import { type Option, type Options, table, texts } from "../../lib/options.ts";
import type { Document, MetaValue } from "../document.ts";
import type { Judge, Load, Stage, Verdict } from "../stage.ts";

const scalar: Option<MetaValue | readonly MetaValue[]> = {
  about: "",
  expects: "a number, a text, true, false or a list of these",
  default: "",
  parse(raw) {
    const isScalar = (value: unknown) => ["string", "number", "boolean"].includes(typeof value);
    return isScalar(raw) || (Array.isArray(raw) && raw.every(isScalar)) ? (raw as MetaValue) : undefined;
  },
};

const options = {
  modules: texts([], "modules whose default export judges a document, .ts or .js, asked in this order"),
  options: table({}, "given to every function as its second argument", scalar),
} satisfies Options;

/**
 * What a user's function may answer: nothing or true keeps, false or a reason in kebab-case drops, a verdict says all
 * itself: `{ drop, value, threshold }`, or `{ keep: document }` with another text.
 */
export type Answer = boolean | string | null | undefined | Verdict;
export type UserFilter = (document: Document, options: Readonly<Record<string, unknown>>) => Answer;

const kebab = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

function verdictOf(answer: Answer, document: Document, name: string): Verdict {
  if (answer === null || answer === undefined || answer === true) return { keep: document };
  if (answer === false) return { drop: name };
  const verdict: Verdict = typeof answer === "string" ? { drop: answer } : answer;
  if (typeof verdict === "object" && "keep" in verdict && typeof verdict.keep?.text === "string")
    return { keep: verdict.keep };
  if (typeof verdict !== "object" || !("drop" in verdict) || !kebab.test(String(verdict.drop)))
    throw new Error(`${name} answered ${shown(answer)}; a reason is written in kebab-case: too-many-links`);
  const { drop, value, threshold } = verdict;
  return {
    drop,
    ...(value === undefined ? {} : { value }),
    ...(threshold === undefined ? {} : { threshold }),
  };
}

export const custom: Stage<typeof options> = {
  name: "custom",
  kind: "filter",
  about: "asks filters that you wrote: modules with a function that judges a document",
  source: "your own",
  options,
  reasons: [],
  measures: [],
  async build(values, { load }) {
    if (values.modules.length === 0)
      throw new UserError(
        "custom: expected at least one module, got none",
        "Name one, for example  - custom: { modules: [filters/no-recipes.ts] }",
      );
    const filters: { name: string; judge: UserFilter }[] = [];
    for (const path of values.modules)
      filters.push({ name: reasonOf(path), judge: await importFilter(path, load) });
    const judge: Judge = document => {
      let current = document;
      for (const { name, judge } of filters) {
        const verdict = verdictOf(judge(current, values.options), current, name);
        if ("drop" in verdict) return verdict;
        current = verdict.keep;
      }
      return { keep: current };
    };
    return judge;
  },
};

/** The reason of a module that only says no: its file's name. */
function reasonOf(path: string): string {
  const name = posix.basename(path).replace(/\.[^.]*$/, "");
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-|-$/g, "") || "custom"
  );
}

async function importFilter(path: string, load: Load): Promise<UserFilter> {
  const address = await moduleAddress(path, load, []);
  let module: { readonly default?: unknown };
  try {
    module = (await import(address)) as typeof module;
  } catch (error) {
    throw new UserError(`custom: ${path} cannot be loaded: ${(error as Error).message.slice(0, 500)}`);
  }
  if (typeof module.default !== "function")
    throw new UserError(
      `custom: ${path}: expected a default export that is a function of the document, got ${shown(module.default)}`,
      "Write  export default document => document.text.includes('recipe') ? 'recipe' : null",
    );
  return module.default as UserFilter;
}

const relativeImport = /(\b(?:from|import)\s*\(?\s*)(["'])(\.{1,2}\/[^"'\n]+)\2/g;

/** The module's JavaScript as an address that can be imported, its relative imports likewise. */
async function moduleAddress(path: string, load: Load, above: readonly string[]): Promise<string> {
  if (above.includes(path))
    throw new UserError(`custom: ${[...above, path].join(" imports ")}: modules that import each other`);
  const source = new TextDecoder().decode(await load(path));
  let code = /\.[cm]?ts$/.test(path) ? await withoutTypes(source, path) : source;
  const found = new Set([...code.matchAll(relativeImport)].map(match => match[3]!));
  for (const name of found) {
    const inner = await moduleAddress(posix.join(posix.dirname(path), name), load, [...above, path]);
    code = code.replace(relativeImport, (all, before: string, quote: string, of: string) =>
      of === name ? `${before}${quote}${inner}${quote}` : all,
    );
  }
  return `data:text/javascript;base64,${Buffer.from(code, "utf8").toString("base64")}`;
}

type Strip = (source: string, path: string) => Promise<string>;
let strip: Strip | null = null;

/** Node.js 22.13 and later take types away themselves; before, the transformer of the build tools does. */
async function withoutTypes(source: string, path: string): Promise<string> {
  strip ??= await findStrip();
  try {
    return await strip(source, path);
  } catch (error) {
    throw new UserError(`custom: ${path} is not valid TypeScript: ${(error as Error).message.slice(0, 500)}`);
  }
}

async function findStrip(): Promise<Strip> {
  const own = (nodeModule as { stripTypeScriptTypes?: (source: string) => string }).stripTypeScriptTypes;
  if (own) return async source => own(source);
  try {
    const { transformWithOxc } = await import("vite");
    return async (source, path) => (await transformWithOxc(source, path, { sourcemap: false })).code;
  } catch {
    throw new UserError(
      `custom: this Node.js (${process.versions.node}) cannot read TypeScript, and vite is not installed`,
      "Use Node.js 22.13 or later, run npm ci in curate's folder, or write the module in JavaScript.",
    );
  }
}
