/** Which addresses and paths are accepted from a recipe, an environment or a host's list. */

/** A relative path without `.` or `..`: an id of a crawl, or the path of one of its files. */
export function isCleanPath(path: string): boolean {
  return path
    .split("/")
    .every(part => /^[\w.~+=@,-]+$/.test(part) && part !== "." && part !== ".." && part.length <= 255);
}

/** An http or https address without query, fragment, credentials and closing slashes, or null. */
export function cleanBase(address: string): string | null {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) return null;
  if (url.search || url.hash || url.username || url.password) return null;
  return url.href.replace(/\/+$/, "");
}
