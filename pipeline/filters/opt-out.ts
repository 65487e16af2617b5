/**
 * Respects what a site has reserved, before any work is spent on its pages: noai and its kin in headers and meta tags,
 * the TDM reservation protocol, and the files for a whole site where the recipe gives the crawl's robots records. What is said to
 * another agent by name is not said to us. Unreadable reservations reserve nothing.
 */
import { texts } from "../../lib/options.ts";
import { parseResponse } from "../readers/http.ts";
import { decodePayload } from "../readers/payload.ts";
import { readRecords } from "../readers/records.ts";
import { fromChunks } from "../readers/window.ts";
import type { Judge, Load, Stage } from "../stage.ts";
import { allows, parseRobots, parseTdmrep, type Robots } from "./opt-out/robots.ts";
import { signalsOf } from "./opt-out/signals.ts";

const known = ["noai", "noimageai", "noindex", "tdm-reservation"] as const;

const options = {
  signals: texts(["noai", "noimageai", "tdm-reservation"], "reservations that count", known),
  agents: texts(["CCBot", "GPTBot"], "crawlers for whom a reservation by name counts, besides those for all"),
  robots: texts(
    [],
    "WARC files with responses of /robots.txt and /.well-known/tdmrep.json, such as a crawl's robotstxt files",
  ),
};

const maxRobotsBytes = 1 << 20;
const tdmrepPath = "/.well-known/tdmrep.json";

export const optOut: Stage<typeof options> = {
  name: "opt-out",
  kind: "filter",
  about: "Drops pages whose site reserves them: noai, noimageai, TDM reservation, robots.txt.",
  source: "RFC 9309; W3C TDM Reservation Protocol; swiss-ai/pretrain-data (robots opt-outs)",
  options,
  reasons: [...known, "robots-txt"],
  measures: [],
  async build(values, { load }) {
    const agents = values.agents.map(agent => agent.toLowerCase());
    const wanted = new Set(values.signals);
    const telling = new RegExp([...wanted, ...(wanted.has("noindex") ? ["none"] : [])].join("|"), "i");
    const { robots, reserved } = await readSites(load, values.robots);
    const tdm = wanted.has("tdm-reservation") ? reserved : new Map<string, Robots>();
    const judge: Judge = document => {
      const { page, url } = document;
      if (page && wanted.size > 0) {
        const signal = signalsOf(page, agents, telling).find(({ name }) => wanted.has(name));
        if (signal) return { drop: signal.name, value: signal.where };
      }
      if (url !== null && robots.size + tdm.size > 0) {
        const agent = disallowed(url, robots, values.agents);
        if (agent !== null) return { drop: "robots-txt", value: agent };
        if (disallowed(url, tdm, ["*"]) !== null) return { drop: "tdm-reservation", value: tdmrepPath };
      }
      return { keep: document };
    };
    return judge;
  },
};

/** The first agent whom the site's robots.txt keeps from `url`. */
function disallowed(
  url: string,
  robots: ReadonlyMap<string, Robots>,
  agents: readonly string[],
): string | null {
  const address = addressOf(url);
  const rules = address && robots.get(address.site);
  if (!rules) return null;
  return agents.find(agent => !allows(rules, agent, address.path)) ?? null;
}

function addressOf(url: string): { readonly site: string; readonly path: string } | null {
  try {
    const { protocol, host, pathname, search } = new URL(url);
    return { site: `${protocol}//${host}`, path: pathname + search };
  } catch {
    return null;
  }
}

/** What each site says of all its pages, from the responses with status 200; a later one replaces an earlier one. */
async function readSites(
  load: Load,
  paths: readonly string[],
): Promise<{ readonly robots: Map<string, Robots>; readonly reserved: Map<string, Robots> }> {
  const robots = new Map<string, Robots>();
  const reserved = new Map<string, Robots>();
  for (const path of paths) {
    const input = fromChunks([await load(path)]);
    for await (const event of readRecords(input, path, { maxBlockBytes: maxRobotsBytes })) {
      if (event.kind !== "record" || event.record.type !== "response") continue;
      const address = addressOf(event.record.uri ?? "");
      if (address?.path !== "/robots.txt" && address?.path !== tdmrepPath) continue;
      const response = parseResponse(event.record.block);
      if (response.status !== 200) continue;
      const payload = decodePayload(response.body, response.fields, maxRobotsBytes);
      if (!("body" in payload)) continue;
      const text = payload.body.toString("utf8");
      if (address.path === tdmrepPath) reserved.set(address.site, parseTdmrep(text));
      else robots.set(address.site, parseRobots(text));
    }
  }
  return { robots, reserved };
}
