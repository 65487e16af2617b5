/**
 * Reservations that a page itself makes: `X-Robots-Tag`, `<meta name=robots>` and the TDM reservation protocol, in
 * header or meta. Pure reading; which of them count is the stage's business.
 */
import { metaTags } from "../../decoding/head.ts";
import type { Page } from "../../document.ts";

export type Signal = { readonly name: string; readonly where: string };

/** Directives that hold a colon themselves and so name no agent. */
const withColon = new Set(["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"]);
const headBytes = 65536;

/**
 * Everything a page says to every agent or to one of `agents` (lower case), in the order header, meta. A page whose
 * beginning does not even match `telling` is not looked through.
 */
export function signalsOf(page: Page, agents: readonly string[], telling: RegExp): Signal[] {
  const signals: Signal[] = [];
  for (const name of robotsTag(page.headers.get("x-robots-tag") ?? "", agents))
    signals.push({ name, where: `X-Robots-Tag: ${name}` });
  if (isReserved(page.headers.get("tdm-reservation")))
    signals.push({ name: "tdm-reservation", where: "tdm-reservation: 1" });
  const { body } = page;
  const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, headBytes))
    .toString("latin1")
    .replaceAll("\0", "");
  if (!telling.test(text)) return signals;
  for (const { attributes } of metaTags(text)) {
    const meta = (attributes.get("name") ?? attributes.get("http-equiv") ?? "").trim().toLowerCase();
    const content = attributes.get("content") ?? "";
    if (meta === "tdm-reservation" && isReserved(content))
      signals.push({ name: meta, where: '<meta name="tdm-reservation" content="1">' });
    else if (meta === "robots" || agents.includes(meta))
      for (const name of expanded(content.toLowerCase().split(/[\s,;]+/)))
        signals.push({ name, where: `<meta name="${meta}" content="${name}">` });
    else if (meta === "x-robots-tag")
      for (const name of robotsTag(content, agents))
        signals.push({ name, where: `<meta http-equiv="x-robots-tag" content="${name}">` });
  }
  return signals;
}

/** `noindex, otherbot: noai, …`: an agent's name holds until the next one. */
function robotsTag(value: string, agents: readonly string[]): string[] {
  const names: string[] = [];
  let forUs = true;
  for (const part of value.toLowerCase().split(",")) {
    const colon = part.indexOf(":");
    const before = part.slice(0, Math.max(0, colon)).trim();
    const agent = colon >= 0 && !withColon.has(before) ? before : null;
    if (agent !== null) forUs = agent === "*" || agents.includes(agent);
    if (forUs) names.push(...(agent === null ? part : part.slice(colon + 1)).trim().split(/\s+/));
  }
  return expanded(names);
}

function expanded(names: readonly string[]): string[] {
  return names.flatMap(name => (name === "none" ? ["noindex", "nofollow"] : name === "" ? [] : [name]));
}

function isReserved(value: string | undefined): boolean {
  return value !== undefined && /^\s*1\s*(?:$|[,;])/.test(value);
}
