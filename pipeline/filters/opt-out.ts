/**
 * Respects what a site has reserved, before any work is spent on its pages: noai and its kin in headers and meta tags,
 * the TDM reservation protocol, and the files for a whole site where the recipe gives the crawl's robots records. What is said to
 * another agent by name is not said to us. Unreadable reservations reserve nothing, unless the recipe says of robots.txt
 * that pages of such sites are to be dropped; either way they are counted.
 */
import { choice, texts } from "../../lib/options.ts";
import { parseResponse } from "../readers/http.ts";
import { decodePayload } from "../readers/payload.ts";
import { readRecords } from "../readers/records.ts";
import { fromChunks } from "../readers/window.ts";
import type { Drop, Judge, Load, Measures, Stage } from "../stage.ts";
import { allows, isReadable, parseRobots, parseTdmrep, type Robots } from "./opt-out/robots.ts";
import { signalsOf } from "./opt-out/signals.ts";

const known = ["noai", "noimageai", "noindex", "tdm-reservation"] as const;

const options = {
  signals: texts(["noai", "noimageai", "tdm-reservation"], "reservations that count", known),
  agents: texts(["CCBot", "GPTBot"], "crawlers for whom a reservation by name counts, besides those for all"),
  robots: texts(
    [],
    "WARC files with responses of /robots.txt and /.well-known/tdmrep.json, such as a crawl's robotstxt files",
  ),
  unreadableRobots: choice<"allow" | "drop">(
    "allow",
    "pages of a site whose robots.txt is no robots.txt (a page of HTML, an encoding nobody knows, a server's error); the measure robots_unreadable counts them",
    ["allow", "drop"],
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
  reasons: [...known, "robots-txt", "robots-unreadable"],
  // Recorded where the recipe gives robots records.
  measures: ["robots_unreadable"],
  async build(values, { load }) {
    const agents = values.agents.map(agent => agent.toLowerCase());
    const wanted = new Set(values.signals);
    const telling = new RegExp([...wanted, ...(wanted.has("noindex") ? ["none"] : [])].join("|"), "i");
    const { robots, reserved, unreadable } = await readSites(load, values.robots);
    const tdm = wanted.has("tdm-reservation") ? reserved : new Map<string, Robots>();
    const drops = values.unreadableRobots === "drop";
    const asked = values.robots.length > 0;
    const judge: Judge = document => {
      const { page, url } = document;
      const isUnreadable = unreadable.size > 0 && url !== null && unreadable.has(addressOf(url)?.site ?? "");
      const measures: Measures | null = asked ? { robots_unreadable: isUnreadable ? 1 : 0 } : null;
      const drop = (reason: string, value: string): Drop => ({
        drop: reason,
        value,
        ...(measures && { measures }),
      });
      if (page && wanted.size > 0) {
        const signal = signalsOf(page, agents, telling).find(({ name }) => wanted.has(name));
        if (signal) return drop(signal.name, signal.where);
      }
      if (url !== null && robots.size + tdm.size > 0) {
        const agent = disallowed(url, robots, values.agents);
        if (agent !== null) return drop("robots-txt", agent);
        if (disallowed(url, tdm, ["*"]) !== null) return drop("tdm-reservation", tdmrepPath);
      }
      if (isUnreadable && drops) return drop("robots-unreadable", "/robots.txt");
      return { keep: document, ...(measures && { measures }) };
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

type Sites = {
  readonly robots: ReadonlyMap<string, Robots>;
  readonly reserved: ReadonlyMap<string, Robots>;
  /** Sites of which a robots.txt was answered and none could be read. */
  readonly unreadable: ReadonlySet<string>;
};

/**
 * What each site says of all its pages, from the responses with status 200; a later one replaces an earlier one. A
 * server's error (5xx) is a robots.txt that cannot be read, any other status says that there is none.
 */
async function readSites(load: Load, paths: readonly string[]): Promise<Sites> {
  const robots = new Map<string, Robots>();
  const reserved = new Map<string, Robots>();
  const unreadable = new Set<string>();
  for (const path of paths) {
    const input = fromChunks([await load(path)]);
    for await (const event of readRecords(input, path, { maxBlockBytes: maxRobotsBytes })) {
      if (event.kind !== "record" || event.record.type !== "response") continue;
      const address = addressOf(event.record.uri ?? "");
      if (address?.path !== "/robots.txt" && address?.path !== tdmrepPath) continue;
      const isRobots = address.path === "/robots.txt";
      const response = parseResponse(event.record.block);
      if (isRobots && response.status >= 500) unreadable.add(address.site);
      if (response.status !== 200) continue;
      const payload = decodePayload(response.body, response.fields, maxRobotsBytes);
      const text = "body" in payload ? payload.body.toString("utf8") : null;
      if (text !== null && !isRobots) reserved.set(address.site, parseTdmrep(text));
      else if (text !== null && isReadable(text)) robots.set(address.site, parseRobots(text));
      else if (isRobots) unreadable.add(address.site);
    }
  }
  for (const site of robots.keys()) unreadable.delete(site);
  return { robots, reserved, unreadable };
}
