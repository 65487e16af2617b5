/**
 * A URL as the filter compares it: host in one spelling, path without what makes no difference, words of either.
 * Knows no lists.
 */
import { domainToUnicode } from "node:url";
import { getDomain } from "tldts";

export type Address = {
  /** Lower case, IDN as punycode, no trailing dot; "" where there is none. */
  readonly host: string;
  /** The host and each domain above it down to the registrable one, longest first. */
  readonly domains: readonly string[];
  /** Host, path and query without scheme, default port, fragment and trailing slash. */
  readonly key: string;
  /** Everything legible: percent-encoding and punycode undone, lower case. */
  readonly readable: string;
};

/** Reads a URL however it is written. `null` where it is no URL at all. */
export function parseAddress(text: string): Address | null {
  const url = parsed(text.trim());
  if (!url) return null;
  const host = url.hostname.replace(/\.+$/, "");
  const domains = domainsOf(host);
  const port = url.port === "" ? "" : `:${url.port}`;
  const path = unescaped(url.pathname).replace(/\/+$/, "");
  const readable = `${domainToUnicode(host) || host}${unescaped(url.pathname + url.search + url.hash)}`;
  return {
    host,
    domains,
    key: `${host}${port}${path}${unescaped(url.search)}`,
    readable: readable.toLowerCase(),
  };
}

function parsed(text: string): URL | null {
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text.replace(/^\/\//, "")}`;
  try {
    return new URL(whole);
  } catch {
    return null;
  }
}

/** A host's spelling in a list, as `parseAddress` spells it; "" for what is no host. */
export function normaliseHost(text: string): string {
  const bare = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "").replace(/^(?:\*?\.)+|\.+$/g, "");
  if (/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9_-])?$/.test(bare) && !/^[\d.]+$|\.0x/.test(bare)) return bare;
  return parsed(bare)?.hostname.replace(/\.+$/, "") ?? "";
}

/** The registrable domain, or null for an address or a bare suffix. Private suffixes such as blogspot.com are ordinary domains here. */
export function registrableDomain(host: string): string | null {
  return getDomain(host, { allowPrivateDomains: false, extractHostname: false, validateHostname: false });
}

function domainsOf(host: string): string[] {
  const registrable = registrableDomain(host);
  const domains = [host];
  if (registrable === null || registrable.length >= host.length) return domains;
  for (let at = host.indexOf("."); at >= 0; at = host.indexOf(".", at + 1)) {
    if (host.length - at - 1 < registrable.length) break;
    domains.push(host.slice(at + 1));
  }
  return domains;
}

/** Percent-encoding undone where it stands for UTF-8. */
function unescaped(text: string): string {
  if (!text.includes("%")) return text;
  return text.replace(/(?:%[0-9a-f]{2})+/gi, run => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
}

/** What stands between anything but letters and digits. */
export function wordsOf(readable: string): string[] {
  return readable.split(/[^\p{L}\p{N}]+/u).filter(word => word !== "");
}

/** The letters and digits alone. */
export function squeezed(readable: string): string {
  return readable.replace(/[^\p{L}\p{N}]+/gu, "");
}
