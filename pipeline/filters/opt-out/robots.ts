/**
 * robots.txt by RFC 9309: which group speaks to an agent, and whether it allows a path; and the TDM reservation
 * protocol's file for a site, whose locations are matched the same way. What cannot be parsed allows.
 * Knows text and paths, not where they come from.
 */

export type Robots = ReadonlyMap<string, readonly Rule[]>;

type Rule = { readonly allow: boolean; readonly path: string };

const maxBytes = 512_000;

/** Rules by agent in lower case; groups of the same agent are one. The first 500 KiB count, as the standard allows. */
export function parseRobots(text: string): Robots {
  const groups = new Map<string, Rule[]>();
  let agents: string[] = [];
  let inRules = true;
  for (const line of text.slice(0, maxBytes).split(/\r\n?|\n/)) {
    const match = /^\s*([a-z-]+)\s*:\s*([^#]*)/i.exec(line.replace(/^\ufeff/, ""));
    if (!match) continue;
    const key = match[1]!.toLowerCase();
    const value = match[2]!.trim();
    if (key === "user-agent") {
      if (inRules) agents = [];
      inRules = false;
      agents.push(value.toLowerCase());
      for (const agent of agents) if (!groups.has(agent)) groups.set(agent, []);
    } else if (key === "allow" || key === "disallow") {
      inRules = true;
      // An empty Disallow allows everything, which is what no rule does.
      if (value !== "")
        for (const agent of agents) groups.get(agent)!.push({ allow: key === "allow", path: value });
    }
  }
  return groups;
}

/** Lines of a robots.txt begin with one of these; the last ones are of single search engines and proposals. */
const keys = new Set(
  "user-agent allow disallow sitemap crawl-delay request-rate visit-time host clean-param noindex content-signal content-usage".split(
    " ",
  ),
);

/** Whether a text is a robots.txt: it has a line that such a file has, or nothing but comments and blanks. */
export function isReadable(text: string): boolean {
  let isEmpty = true;
  for (const line of text.slice(0, maxBytes).split(/\r\n?|\n/)) {
    const bare = line.replace(/^\ufeff/, "").trimStart();
    if (bare === "" || bare.startsWith("#")) continue;
    isEmpty = false;
    const key = /^[a-z-]+(?=\s*:)/i.exec(bare);
    if (key && keys.has(key[0].toLowerCase())) return true;
  }
  return isEmpty;
}

/** `/.well-known/tdmrep.json` as rules for every agent: a reserved location is one that is not allowed. */
export function parseTdmrep(text: string): Robots {
  let list: unknown;
  try {
    list = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    return new Map();
  }
  const rules = (Array.isArray(list) ? list : []).flatMap((entry: unknown): Rule[] => {
    const { location, "tdm-reservation": reservation } = (entry ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof location !== "string" || location === "") return [];
    return [{ allow: Number(reservation) !== 1, path: location }];
  });
  return new Map([["*", rules]]);
}

/** Whether the group that speaks to `agent`, or else to all, allows `path` (with its query). */
export function allows(robots: Robots, agent: string, path: string): boolean {
  const rules = robots.get(agent.toLowerCase()) ?? robots.get("*") ?? [];
  let decided: Rule | null = null;
  for (const rule of rules) {
    if (!fits(rule.path, path)) continue;
    const longer = decided === null || rule.path.length > decided.path.length;
    if (longer || (rule.path.length === decided!.path.length && rule.allow)) decided = rule;
  }
  return decided?.allow ?? true;
}

/** `*` stands for anything, `$` at the end for the end; otherwise a prefix. Walks greedily, so no pattern is slow. */
function fits(pattern: string, path: string): boolean {
  const anchored = pattern.endsWith("$");
  const parts = (anchored ? pattern.slice(0, -1) : pattern).split("*");
  if (!path.startsWith(parts[0]!)) return false;
  let at = parts[0]!.length;
  for (const [i, part] of parts.slice(1).entries()) {
    const last = i === parts.length - 2;
    if (last && anchored) return path.length - part.length >= at && path.endsWith(part);
    const found = path.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return !anchored || at === path.length;
}
