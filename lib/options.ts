/**
 * Options of stages, of the tokenizer and of the trainer: what each is called, means, expects and defaults to.
 * One declaration serves the recipe check, `--set`, `curate check --print`, help and the reference page.
 * Knows nothing of YAML or files: the recipe reader adds the line number to what is said here.
 */

export type Option<T> = {
  readonly about: string;
  /** What a right value looks like, in words that finish the sentence "expected …". */
  readonly expects: string;
  readonly default: T;
  /** The value, or undefined when `raw` is not what was expected. */
  parse(raw: unknown): T | undefined;
};

// biome-ignore lint/suspicious/noExplicitAny: options of any type stand together in one declaration
export type Options = Readonly<Record<string, Option<any>>>;
export type Values<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

type Range = { readonly min?: number; readonly max?: number };

function inRange(value: number, { min = -Infinity, max = Infinity }: Range): boolean {
  return value >= min && value <= max;
}

function rangeWords({ min, max }: Range): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? "" : ` of at most ${max}`;
}

export function number(fallback: number, about: string, range: Range = {}): Option<number> {
  const parse = (raw: unknown) =>
    typeof raw === "number" && Number.isFinite(raw) && inRange(raw, range) ? raw : undefined;
  return { about, expects: `a number${rangeWords(range)}`, default: fallback, parse };
}

export function integer(fallback: number, about: string, range: Range = {}): Option<number> {
  const parse = (raw: unknown) =>
    Number.isSafeInteger(raw) && inRange(raw as number, range) ? (raw as number) : undefined;
  return { about, expects: `a whole number${rangeWords(range)}`, default: fallback, parse };
}

/** A share between 0 and 1, also written "5%". */
export function fraction(fallback: number, about: string): Option<number> {
  const parse = (raw: unknown) => {
    const percent = typeof raw === "string" ? /^(\d+(?:\.\d+)?)\s*%$/.exec(raw.trim()) : null;
    const value = percent ? Number(percent[1]) / 100 : raw;
    return typeof value === "number" && inRange(value, { min: 0, max: 1 }) ? value : undefined;
  };
  return { about, expects: 'a share from 0 to 1, or a percentage such as "5%"', default: fallback, parse };
}

const unitBytes: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** A number of bytes, also written "512MB" or "2GiB". */
export function size(fallback: number, about: string, range: Range = { min: 1 }): Option<number> {
  const parse = (raw: unknown) => {
    const match = typeof raw === "string" ? /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b)$/i.exec(raw.trim()) : null;
    const unit = match ? unitBytes[match[2]!.toLowerCase()] : undefined;
    const value = match && unit ? Math.round(Number(match[1]) * unit) : raw;
    return Number.isSafeInteger(value) && inRange(value as number, range) ? (value as number) : undefined;
  };
  return { about, expects: 'a size such as "512MB", "2GB" or a number of bytes', default: fallback, parse };
}

/** A plain count, also written "10k", "50M" or "2B". */
export function count(fallback: number, about: string, range: Range = { min: 0 }): Option<number> {
  const scale: Record<string, number> = { k: 1e3, m: 1e6, b: 1e9 };
  const parse = (raw: unknown) => {
    const match = typeof raw === "string" ? /^(\d+(?:\.\d+)?)\s*([kmb])$/i.exec(raw.trim()) : null;
    const value = match ? Math.round(Number(match[1]) * scale[match[2]!.toLowerCase()]!) : raw;
    return Number.isSafeInteger(value) && inRange(value as number, range) ? (value as number) : undefined;
  };
  return {
    about,
    expects: `a whole number${rangeWords(range)}, also written 10k or 50M`,
    default: fallback,
    parse,
  };
}

export function flag(fallback: boolean, about: string): Option<boolean> {
  return {
    about,
    expects: "true or false",
    default: fallback,
    parse: raw => (typeof raw === "boolean" ? raw : undefined),
  };
}

export function text(fallback: string, about: string): Option<string> {
  return {
    about,
    expects: "a text",
    default: fallback,
    parse: raw => (typeof raw === "string" ? raw : undefined),
  };
}

export function choice<T extends string>(fallback: T, about: string, choices: readonly T[]): Option<T> {
  const parse = (raw: unknown) => choices.find(candidate => candidate === raw);
  return { about, expects: `one of ${choices.join(", ")}`, default: fallback, parse };
}

/** A list of texts; one text alone is a list of one. */
export function texts(
  fallback: readonly string[],
  about: string,
  allowed?: readonly string[],
): Option<readonly string[]> {
  const parse = (raw: unknown) => {
    const list = typeof raw === "string" ? [raw] : raw;
    if (!Array.isArray(list)) return undefined;
    const right = list.every(item => typeof item === "string" && (!allowed || allowed.includes(item)));
    return right ? (list as string[]) : undefined;
  };
  return {
    about,
    expects: allowed ? `a list of ${allowed.join(", ")}` : "a list of texts",
    default: fallback,
    parse,
  };
}

export function integers(fallback: readonly number[], about: string): Option<readonly number[]> {
  const parse = (raw: unknown) => {
    const list = typeof raw === "number" ? [raw] : raw;
    return Array.isArray(list) && list.every(item => Number.isSafeInteger(item))
      ? (list as number[])
      : undefined;
  };
  return { about, expects: "a list of whole numbers", default: fallback, parse };
}

/** A mapping from names to values of one kind, such as a threshold for each language. */
export function table<T>(
  fallback: Readonly<Record<string, T>>,
  about: string,
  of: Option<T>,
): Option<Readonly<Record<string, T>>> {
  const parse = (raw: unknown) => {
    if (raw === null || typeof raw !== "object" || Array.isArray(raw)) return undefined;
    const entries = Object.entries(raw).map(([name, value]) => [name, of.parse(value)] as const);
    return entries.every(([, value]) => value !== undefined)
      ? (Object.fromEntries(entries) as Record<string, T>)
      : undefined;
  };
  return { about, expects: `a mapping of names, each to ${of.expects}`, default: fallback, parse };
}

/** The option, or null where the recipe says null or nothing. */
export function optional<T>(of: Option<T>): Option<T | null> {
  return {
    ...of,
    default: null,
    expects: `${of.expects}, or null`,
    parse: raw => (raw === null ? null : of.parse(raw)),
  };
}

/** A rule that can be switched off: the recipe's `off`, `false` or null give null. */
export function switchable<T>(of: Option<T>): Option<T | null> {
  const parse = (raw: unknown) => (raw === null || raw === false || raw === "off" ? null : of.parse(raw));
  return { ...of, expects: `${of.expects}, or off`, parse };
}

/** Every default of a declaration. */
export function defaults<O extends Options>(options: O): Values<O> {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, option.default]),
  ) as Values<O>;
}
