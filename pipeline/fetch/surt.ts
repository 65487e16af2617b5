/**
 * Addresses as a CDX index sorts them: `https://www.Example.org/A?b&a` is `org,example)/a?a&b`. Knows no index. The
 * keys are those of the surt package that Common Crawl's index is written with; host and everything after it are in
 * lower case, www and default ports are gone, queries are sorted, session ids are cut out, and so is a closing slash.
 */

/** Which keys a query means: those from `from` up to, not including, `to`, that `wants` takes. */
export type KeyRange = {
  readonly from: string;
  readonly to: string;
  wants(key: string): boolean;
};

const sessionIds = [
  /^(.*?)(?:jsessionid=[0-9a-z]{32}|phpsessid=[0-9a-z]{32}|sid=[0-9a-z]{32}|aspsessionid[a-z]{8}=[a-z]{24})(?:&(.*))?$/,
  /^(.*?)(?:cfid=[^&]+&cftoken=[^&]+)(?:&(.*))?$/,
];

/** The key of an address, or null where it is no http or https address. A scheme may be left out. */
export function surtOf(address: string): string | null {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`;
  if (!URL.canParse(full)) return null;
  const url = new URL(full);
  if ((url.protocol !== "http:" && url.protocol !== "https:") || url.username) return null;
  const path = url.pathname
    .toLowerCase()
    .replace(/;jsessionid=[0-9a-z]{32}$/, "")
    .replace(/\/+$/, "");
  let query = url.search.slice(1).toLowerCase();
  for (const pattern of sessionIds) query = query.replace(pattern, "$1$2");
  const sorted = query
    .replace(/&$/, "")
    .split("&")
    .sort((a, b) => compareKeys(a, b))
    .join("&");
  return `${hostKey(url)})${path || "/"}${sorted ? `?${sorted}` : ""}`;
}

function hostKey(url: URL): string {
  const host = url.hostname.replace(/^www\d*\./, "").replace(/\.$/, "");
  return `${host.split(".").reverse().join(",")}${url.port ? `:${url.port}` : ""}`;
}

/**
 * What a query of the index means: `*.example.org` is a domain with all its hosts, `example.org/blog/*` everything
 * that begins so, anything else one page. Null where it is neither.
 */
export function keyRange(query: string): KeyRange | null {
  const text = query.trim();
  const isDomain = text.startsWith("*.");
  const isPrefix = text.endsWith("*");
  const plain = text.slice(isDomain ? 2 : 0, isPrefix && !isDomain ? -1 : undefined);
  if (plain === "" || /[*\s]/.test(plain)) return null;
  if (isDomain) {
    const host = plain.replace(/\/$/, "");
    if (!/^[^/?#@:]+$/.test(host)) return null;
    const key = surtOf(host)?.slice(0, -2);
    return key
      ? {
          from: `${key})`,
          to: `${key}-`,
          wants: found => found.startsWith(key) && /[),]/.test(found[key.length] ?? ""),
        }
      : null;
  }
  const key = surtOf(plain);
  if (key === null) return null;
  if (!isPrefix) return { from: key, to: `${key}\u0020`, wants: found => found === key };
  const prefix = plain.endsWith("/") && !key.endsWith("/") ? `${key}/` : key;
  return { from: prefix, to: `${prefix}\u{10ffff}`, wants: found => found.startsWith(prefix) };
}

/** The order of the index: by bytes of UTF-8, which is by code points. */
export function compareKeys(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}
