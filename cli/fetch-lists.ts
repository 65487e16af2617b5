/**
 * `curate blocklist`: fetches lists for `url-filter` and pins them by hash, so that a recipe means the same lists
 * tomorrow. No list comes with curate: the largest are under share-alike licences, and what a list forbids is the
 * user's choice. What a list is, pipeline/filters/url/describe.ts tells.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { Agent, EnvHttpProxyAgent, interceptors, request } from "undici";
import { sha256File, writeAtomic } from "../lib/atomic.ts";
import { UserError } from "../lib/errors.ts";
import { brokenOff, retryAfter } from "../pipeline/fetch/client.ts";
import { type Attempt, createLimiter } from "../pipeline/fetch/limiter.ts";
import { describeList, type ListDescription } from "../pipeline/filters/url/describe.ts";
import type { blocklistFlags } from "./blocklist.ts";
import type { FlagValues } from "./command.ts";
import { bytes, number, out, say, table } from "./terminal.ts";

export type Pin = ListDescription & {
  /** Name within the folder. */
  readonly file: string;
  readonly url: string;
  readonly sha256: string;
  readonly bytes: number;
};

const pinsName = "pins.json";
const largest = 2 ** 30;
const idle = 60_000;
const tries = 4;

export async function keepLists(
  [action, ...urls]: readonly string[],
  { to: folder = "blocklists", ...flags }: FlagValues<typeof blocklistFlags>,
): Promise<number> {
  if (action === "check" && urls.length === 0) {
    const rows = checkLists(folder);
    out(table(rows, ["left", "left", "left", "right"]));
    const bad = rows.filter(([, found]) => found !== "as pinned").length;
    if (bad === 0) return 0;
    say(`${bad} of ${rows.length} differ. Restore them with  curate blocklist fetch --to ${folder}`);
    return 1;
  }
  if (action !== "fetch")
    throw new UserError(
      `curate blocklist ${[action, ...urls].join(" ").trim()}: expected fetch or check`,
      "See  curate blocklist --help",
    );
  out(recipeOf(folder, await fetchLists({ folder, urls, ...flags }, say)));
  return 0;
}

export type Wanted = {
  readonly folder: string;
  /** None: all that are pinned. */
  readonly urls: readonly string[];
  readonly as?: string | undefined;
  readonly sha256?: string | undefined;
  readonly update: boolean;
};

/** Fetches and pins; the lists fetched before a fault stay. Throws UserError. */
export async function fetchLists(
  { folder, urls, as, sha256, update }: Wanted,
  tell: (line: string) => void,
): Promise<Pin[]> {
  if (urls.length !== 1 && (as !== undefined || sha256 !== undefined))
    throw new UserError(
      `--${as === undefined ? "sha256" : "as"} belongs to one list, got ${urls.length}`,
      "Fetch the lists one by one.",
    );
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
    throw new UserError(`--sha256: expected 64 hexadecimal digits, got ${JSON.stringify(sha256)}`);
  const pins = readPins(folder);
  const wanted = urls.length > 0 ? urls.map(url => named(url, as, pins)) : pins;
  if (wanted.length === 0)
    throw new UserError(
      `nothing is pinned in ${join(folder, pinsName)}`,
      "Name a list to fetch: curate blocklist fetch https://…",
    );
  const twice = wanted.find(({ file }, i) => wanted.findIndex(other => other.file === file) < i);
  if (twice)
    throw new UserError(`two lists would be named ${twice.file}`, "Fetch one of them with --as NAME.");
  const kept = new Map(pins.map(pin => [pin.file, pin]));
  const done: Pin[] = [];
  for (const { file, url } of wanted) {
    const pin = await fetchList({ path: join(folder, file), url, pin: kept.get(file), sha256, update }, tell);
    kept.set(file, { ...pin, file });
    done.push({ ...pin, file });
    const sorted = [...kept.values()].sort((a, b) => (a.file < b.file ? -1 : 1));
    writeAtomic(join(folder, pinsName), `${JSON.stringify({ lists: sorted }, null, 2)}\n`);
  }
  return done;
}

/** The file a list is kept in. */
function named(url: string, as: string | undefined, pins: readonly Pin[]): { file: string; url: string } {
  let parsed: URL;
  try {
    parsed = new URL(url);
    if (!/^https?:$/.test(parsed.protocol)) throw new Error("scheme");
  } catch {
    throw new UserError(
      `expected the address of a list, got ${JSON.stringify(url)}`,
      "It begins with https://.",
    );
  }
  const known = pins.find(pin => pin.url === url);
  const file = as ?? known?.file ?? basename(decodeURIComponent(parsed.pathname));
  if (file === "" || file === pinsName || !/^[\w.-]+$/.test(file) || file.startsWith("."))
    throw new UserError(
      `${JSON.stringify(file)} is no name for a file of letters, digits, dots and dashes`,
      "Give one with --as NAME.",
    );
  return { file, url };
}

function readPins(folder: string): Pin[] {
  const path = join(folder, pinsName);
  if (!existsSync(path)) return [];
  try {
    const { lists } = JSON.parse(readFileSync(path, "utf8")) as { lists: Pin[] };
    if (!lists.every(pin => /^[0-9a-f]{64}$/.test(pin.sha256) && pin.file === basename(pin.file) && pin.url))
      throw new Error("a list without file, url or sha256");
    return lists;
  } catch (error) {
    throw new UserError(
      `cannot read ${path}: ${(error as Error).message}`,
      "It is written by curate blocklist fetch. Delete it to begin anew.",
    );
  }
}

type OneList = {
  readonly path: string;
  readonly url: string;
  readonly pin: Pin | undefined;
  readonly sha256: string | undefined;
  readonly update: boolean;
};

async function fetchList(
  { path, url, pin, sha256: expected, update }: OneList,
  tell: (line: string) => void,
): Promise<Omit<Pin, "file">> {
  if (pin && pin.url !== url && !update)
    throw new UserError(
      `${path} is pinned to ${pin.url}`,
      "Give the new list another name with --as NAME, or replace the old one with --update.",
    );
  const wanted = expected?.toLowerCase() ?? (update ? undefined : pin?.sha256);
  if (pin && wanted === pin.sha256 && existsSync(path) && sha256File(path) === wanted) {
    tell(`${path}: as pinned, not downloaded again`);
    return pin;
  }
  const data = await download(url);
  const sha256 = createHash("sha256").update(data).digest("hex");
  if (wanted !== undefined && sha256 !== wanted)
    throw new UserError(
      `${url} is not the pinned list any more: expected sha256 ${wanted}, got ${sha256}`,
      `Nothing was changed. Look at what is new, then accept it with  curate blocklist fetch ${url} --update`,
    );
  const description = describeList(data, url);
  writeAtomic(path, data);
  const unit = description.entries === 1 ? "entry" : "entries";
  tell(
    `${path}: ${number(description.entries)} ${unit}, ${bytes(data.length)}, sha256 ${sha256.slice(0, 12)}…`,
  );
  return { url, sha256, bytes: data.length, ...description };
}

async function download(url: string): Promise<Buffer> {
  const limits = { connect: { timeout: idle }, headersTimeout: idle, bodyTimeout: idle };
  const proxied = ["http_proxy", "https_proxy"].some(
    name => process.env[name] || process.env[name.toUpperCase()],
  );
  const agent = proxied ? new EnvHttpProxyAgent(limits) : new Agent(limits);
  const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 5 }));
  const limiter = createLimiter({ concurrent: 1, retries: tries - 1, seed: 0 });
  const attempt = async (): Promise<Attempt<Buffer>> => {
    let answered = false;
    try {
      const reply = await request(url, { dispatcher, headers: { "user-agent": "curate" } });
      answered = true;
      const { statusCode, headers, body } = reply;
      if (statusCode === 408 || statusCode === 429 || statusCode >= 500) {
        await body.dump();
        const after = retryAfter(headers["retry-after"] as string | undefined, Date.now());
        return { kind: "again", why: `the answer was ${statusCode}`, after, answered };
      }
      if (statusCode !== 200) {
        await body.dump();
        const error = new UserError(`${url}: expected a list, got the answer ${statusCode}`);
        return { kind: "stop", error };
      }
      const parts: Buffer[] = [];
      let size = 0;
      for await (const part of body) {
        parts.push(part as Buffer);
        size += (part as Buffer).length;
        if (size > largest)
          return { kind: "stop", error: new UserError(`${url} has more than ${bytes(largest)}`) };
      }
      return { kind: "done", value: Buffer.concat(parts) };
    } catch (error) {
      return brokenOff(error, idle, answered);
    }
  };
  try {
    return await limiter.run(url, attempt);
  } finally {
    await agent.destroy();
  }
}

/** Rows of path, state, kind and number of entries: one a pinned list. */
export function checkLists(folder: string): string[][] {
  const pins = readPins(folder);
  if (pins.length === 0) throw new UserError(`nothing is pinned in ${join(folder, pinsName)}`);
  return pins.map(pin => {
    const path = join(folder, pin.file);
    const found = !existsSync(path)
      ? "missing"
      : statSync(path).size === pin.bytes && sha256File(path) === pin.sha256
        ? "as pinned"
        : "changed";
    return [path, found, pin.use, number(pin.entries)];
  });
}

/** What to write into the recipe for these lists. */
export function recipeOf(folder: string, pins: readonly Pin[]): string {
  const options = new Map<string, string[]>();
  for (const { use, file, categories } of pins) {
    const path = join(folder, file);
    const option = use === "words" ? "hardWords" : use;
    const paths = categories.length > 1 ? categories.map(name => `${path}#${name}`) : [path];
    options.set(option, [...(options.get(option) ?? []), ...paths]);
  }
  const lines = [...options].map(([option, paths]) => `      ${option}: ${JSON.stringify(paths)}`);
  return ["  - url-filter:", ...lines].join("\n");
}
