/**
 * Drops pages that were fetched more than once: documents of the same address. Scheme, `www.`, fragment, a trailing
 * slash and the parameters that only track visitors make no difference. A document without an address is kept. Off unless the recipe lists it.
 */
import { choice, flag, type Options } from "../../lib/options.ts";
import type { CorpusStage } from "../corpus-stage.ts";
import { keepPolicies } from "./clusters.ts";
import { digestKey } from "./exact-dedup.ts";
import { applyKeyed, collectKeyed, keyedRounds } from "./keyed.ts";

const options = {
  ignoreQuery: flag(false, "whether addresses that differ only after the ? are the same"),
  keep: choice("first", "which of the fetches is kept; ties by id", keepPolicies),
} satisfies Options;

const tracking = /^(?:utm_\w+|gclid|dclid|fbclid|msclkid|yclid|mc_[ce]id|igshid|_ga|ref_src)$/i;

/** What two addresses of the same page have in common, or null for what is no address. */
export function pageOf(url: string | null, ignoreQuery: boolean): string | null {
  if (url === null || !URL.canParse(url)) return null;
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = hostname.replace(/^www\./, "").replace(/\.$/, "");
  const path = pathname.replace(/\/+$/, "");
  for (const name of [...searchParams.keys()])
    if (ignoreQuery || tracking.test(name)) searchParams.delete(name);
  searchParams.sort();
  const query = searchParams.toString();
  return `${host}${port === "" ? "" : `:${port}`}${path}${query === "" ? "" : `?${query}`}`;
}

export const urlDedup: CorpusStage<typeof options> = {
  name: "url-dedup",
  kind: "dedup",
  about: "drops further fetches of the same address",
  source: "datatrove, pipeline/dedup/url_dedup.py; which parameters only track is our own choice",
  options,
  reasons: ["duplicate"],
  measures: [],
  collect: (values, context) =>
    collectKeyed(context, 1, ({ url }, keys) => {
      const page = pageOf(url, values.ignoreQuery);
      if (page !== null) digestKey(page, keys);
      return page !== null;
    }),
  rounds: (values, tasks) => keyedRounds(1, tasks, values.keep, null),
  apply: async (_, context) => applyKeyed(context, document => document),
};
