/**
 * Drops pages by their address: domain, host, URL and words, in FineWeb's order, the first hit decides and is the
 * value. Lists come from files the recipe names. By default both sides are normalised (case, IDN, ports, encodings,
 * schemes); the presets compare verbatim as datatrove does, where `/XXX/` passes and `http://` differs from `https://`.
 */
import { choice, integer, texts } from "../../lib/options.ts";
import type { Drop, Judge, Stage } from "../stage.ts";
import {
  type Address,
  normaliseHost,
  parseAddress,
  registrableDomain,
  squeezed,
  wordsOf,
} from "./url/address.ts";
import { readList, readUt1 } from "./url/lists.ts";
import { createStringSet, type StringSet } from "./url/string-set.ts";
import { openSubstrings } from "./url/substrings.ts";
import { ownHardWords, ownSoftWords } from "./url/words.ts";

const builtin = "builtin";

const options = {
  domains: texts(
    [],
    "files of domains and hosts, plain lists or hosts files; bad.com blocks x.bad.com, not the reverse",
  ),
  urls: texts([], "files of single URLs"),
  ut1: texts(
    [],
    "UT1 categories: folders with domains and urls, or a .tar.gz, with #category where it holds several",
  ),
  hardWords: texts([builtin], "files of words of which one is enough; builtin is the small own list"),
  softWords: texts([builtin], "files of words of which several are needed; builtin is the small own list"),
  subwords: texts([], "files of words that count anywhere in the URL's letters and digits"),
  minSoftWords: integer(2, "different soft words that are too many", { min: 1 }),
  match: choice("normalised", "normalised spells both sides alike; verbatim compares as datatrove does", [
    "normalised",
    "verbatim",
  ]),
};

type Lists = {
  readonly domains: StringSet;
  readonly urls: StringSet;
  readonly hard: ReadonlySet<string>;
  readonly soft: ReadonlySet<string>;
  readonly subword: (text: string) => string | null;
};

const verbatim = { hardWords: [], softWords: [], minSoftWords: 2, match: "verbatim" } as const;

export const urlFilter: Stage<typeof options> = {
  name: "url-filter",
  kind: "filter",
  about: "Drops pages whose domain, host, URL or words in the URL are on a list.",
  source: "FineWeb: datatrove filters/url_filter.py (order, two soft words, substrings without separators)",
  options,
  reasons: ["no-url", "domain", "subdomain", "url", "hard-word", "soft-words", "subword"],
  measures: [],
  presets: { "fineweb@2024-04": verbatim, "fineweb@0.10": verbatim },
  async build(values, { load }) {
    const exact = values.match === "verbatim";
    const domains = createStringSet();
    const urls = createStringSet();
    const addDomain = (entry: string) => {
      const host = exact ? entry : normaliseHost(entry);
      if (host !== "") domains.add(host);
    };
    const addUrl = (entry: string) => {
      const key = exact ? entry : parseAddress(entry)?.key;
      if (key) urls.add(key);
    };
    for (const path of values.domains) await readList(load, path, addDomain);
    for (const path of values.urls) await readList(load, path, addUrl);
    for (const path of values.ut1) await readUt1(load, path, { domains: addDomain, urls: addUrl });
    const words = async (paths: readonly string[], own: readonly string[]) => {
      const found: string[] = [];
      const take = (entry: string) => {
        const word = exact
          ? entry.replace(/[^a-zA-Z0-9]+/g, "").toLowerCase()
          : squeezed(entry.toLowerCase());
        if (word !== "") found.push(word);
      };
      for (const path of paths) {
        if (path === builtin) own.forEach(take);
        else await readList(load, path, take);
      }
      return found;
    };
    const lists: Lists = {
      domains,
      urls,
      hard: new Set(await words(values.hardWords, ownHardWords)),
      soft: new Set(await words(values.softWords, ownSoftWords)),
      subword: openSubstrings(await words(values.subwords, [])),
    };
    const find = exact ? findVerbatim : findNormalised;
    const judge: Judge = document =>
      document.url === null || document.url.trim() === ""
        ? { drop: "no-url", value: "", threshold: "" }
        : (find(document.url, lists, values.minSoftWords) ?? { keep: document });
    return judge;
  },
};

function findNormalised(url: string, lists: Lists, minSoftWords: number): Drop | null {
  const address = parseAddress(url);
  if (address) {
    const listed = findDomain(address, lists.domains);
    if (listed) return listed;
    if (lists.urls.has(address.key)) return { drop: "url", value: address.key };
  }
  const readable = address?.readable ?? url.toLowerCase();
  return findWords(wordsOf(readable), () => squeezed(readable), lists, minSoftWords);
}

/** The registrable domain first, as FineWeb does, then the longer ones. */
function findDomain({ domains }: Address, listed: StringSet): Drop | null {
  const shortest = domains.at(-1)!;
  if (listed.has(shortest)) return { drop: "domain", value: shortest };
  const longer = domains.slice(0, -1).find(domain => listed.has(domain));
  return longer === undefined ? null : { drop: "subdomain", value: longer };
}

function findVerbatim(url: string, lists: Lists, minSoftWords: number): Drop | null {
  const host = /^(?:[a-z][a-z0-9+.-]*:)?(?:\/\/)?(?:[^/?#@]*@)?([^/?#:]*)/i.exec(url)![1]!;
  const registrable = registrableDomain(host);
  if (registrable !== null && lists.domains.has(registrable)) return { drop: "domain", value: registrable };
  if (registrable !== null && lists.domains.has(host)) return { drop: "subdomain", value: host };
  if (lists.urls.has(url)) return { drop: "url", value: url };
  const letters = () => url.replace(/[^a-zA-Z0-9]+/g, "").toLowerCase();
  return findWords(url.split(/[^a-zA-Z0-9]+/), letters, lists, minSoftWords);
}

function findWords(
  words: readonly string[],
  letters: () => string,
  { hard, soft, subword }: Lists,
  minSoftWords: number,
): Drop | null {
  const found = words.find(word => hard.has(word));
  if (found !== undefined) return { drop: "hard-word", value: found };
  const softFound = [...new Set(words.filter(word => soft.has(word)))];
  if (softFound.length >= minSoftWords)
    return { drop: "soft-words", value: softFound.join(", "), threshold: minSoftWords };
  const inside = subword(letters());
  return inside === null ? null : { drop: "subword", value: inside };
}
