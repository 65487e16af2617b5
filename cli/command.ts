/**
 * What a command is, and how its arguments are read: one declaration serves parsing, errors and the help screen.
 * Knows no command by name.
 */
import { parseArgs } from "node:util";
import { nearest, shown, UserError } from "../lib/errors.ts";

export type FlagSpec = {
  /** "flag" takes no value; "text" and "number" do; "list" may be given several times. */
  readonly type: "flag" | "text" | "number" | "list";
  /** Stands for the value in the help screen: N, DIR, a.b=c. */
  readonly value?: string;
  readonly about: string;
  readonly short?: string;
  /** Not on the first help screen. */
  readonly more?: boolean;
};

export type Flags = Readonly<Record<string, FlagSpec>>;
type FlagValue<F extends FlagSpec> = F["type"] extends "flag"
  ? boolean
  : F["type"] extends "number"
    ? number | undefined
    : F["type"] extends "list"
      ? readonly string[]
      : string | undefined;
export type FlagValues<F extends Flags> = { readonly [K in keyof F]: FlagValue<F[K]> };

export type Command<F extends Flags = Flags> = {
  readonly name: string;
  /** One line for the list of commands. */
  readonly about: string;
  /** What follows `curate <name>`: "[stages.yaml]". */
  readonly usage: string;
  readonly flags: F;
  /** A line that runs as it stands. */
  readonly example: string;
  readonly maxPositionals: number;
  /** The exit code; 0 when nothing is given back. */
  // biome-ignore lint/suspicious/noConfusingVoidType: commands that cannot fail on their own return nothing
  run(positionals: readonly string[], flags: FlagValues<F>): Promise<number | void>;
};

export function command<F extends Flags>(definition: Command<F>): Command {
  return definition as unknown as Command;
}

export function parseCommandLine(
  of: Command,
  args: readonly string[],
): { readonly positionals: readonly string[]; readonly flags: FlagValues<Flags> } {
  const options = Object.fromEntries(
    Object.entries(of.flags).map(([name, { type, short }]) => [
      name,
      {
        type: type === "flag" ? ("boolean" as const) : ("string" as const),
        multiple: type === "list",
        ...(short ? { short } : {}),
      },
    ]),
  );
  const known = Object.keys(of.flags);
  for (const arg of args) {
    if (arg === "--") break;
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (name && !known.includes(name)) {
      const near = nearest(name, known);
      throw new UserError(
        `curate ${of.name} has no flag --${name}.${near ? ` Did you mean --${near}?` : ""}`,
        `See  curate ${of.name} --help`,
      );
    }
  }
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: negativeValues(of, args),
      options,
      allowPositionals: true,
      strict: true,
    }) as never;
  } catch (error) {
    throw new UserError((error as Error).message.split(". To specify")[0]!, `See  curate ${of.name} --help`);
  }
  if (parsed.positionals.length > of.maxPositionals) {
    throw new UserError(
      `curate ${of.name} takes ${of.usage || "no further words"}, got one too many: ${shown(parsed.positionals[of.maxPositionals])}`,
      `See  curate ${of.name} --help`,
    );
  }
  const flags: Record<string, unknown> = {};
  for (const [name, { type }] of Object.entries(of.flags)) {
    const value = parsed.values[name];
    if (type === "flag") flags[name] = value === true;
    else if (type === "list") flags[name] = value ?? [];
    else if (type === "number" && value !== undefined) {
      const number = Number(value);
      if (value === "" || !Number.isFinite(number))
        throw new UserError(`--${name}: expected a number, got ${shown(value)}`);
      flags[name] = number;
    } else flags[name] = value;
  }
  return { positionals: parsed.positionals, flags: flags as FlagValues<Flags> };
}

/** `--temperature -1` reaches the number check instead of being taken for a flag. */
function negativeValues(of: Command, args: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const next = args[i + 1];
    const name = args[i]!.slice(2);
    if (
      args[i]!.startsWith("--") &&
      of.flags[name]?.type === "number" &&
      next !== undefined &&
      /^-\d/.test(next)
    ) {
      joined.push(`${args[i]}=${next}`);
      i++;
    } else joined.push(args[i]!);
  }
  return joined;
}

export function helpScreen(of: Command): string {
  const rows = Object.entries(of.flags).map(([name, { type, value, about, short, more }]) => {
    const left = `${short ? `-${short}, ` : ""}--${name}${type === "flag" ? "" : ` ${value ?? "TEXT"}`}`;
    return { left, about, more: more === true };
  });
  const width = Math.max(0, ...rows.map(({ left }) => left.length));
  const section = (title: string, list: typeof rows) =>
    list.length === 0
      ? ""
      : `\n${title}\n${list.map(({ left, about }) => `  ${left.padEnd(width)}  ${about}`).join("\n")}\n`;
  return [
    of.about,
    "",
    `Usage   curate ${of.name} ${of.usage}`,
    section(
      "Options",
      rows.filter(row => !row.more),
    ) +
      section(
        "More options",
        rows.filter(row => row.more),
      ),
    `Example  ${of.example}`,
    "",
  ].join("\n");
}
