/**
 * Lines of a CDXJ server, as Common Crawl's index server answers them: JSON objects, one a line, in numbered pages. It
 * says 404 with a message for a query without a result. Knows lines, not what they mean.
 */
import { UserError } from "../../lib/errors.ts";
import type { Client } from "./client.ts";
import { fetchWhole } from "./range.ts";

/** A page is five blocks of 3,000 lines of some 500 bytes. */
const longestPage = 256 << 20;

/** Every line that the server has for a query, in its order. `take` ends it by giving false. */
export async function searchServer(
  client: Client,
  { api, crawl, url, status }: { api: string; crawl: string; url: string; status: readonly number[] },
  take: (line: string) => boolean,
): Promise<void> {
  const address = (more: Readonly<Record<string, string>>) => {
    const query = new URLSearchParams({ url, output: "json", ...more });
    if (status.length === 1) query.append("filter", `=status:${status[0]}`);
    return `${api}/${crawl}-index?${query}`;
  };
  const asked = address({ showNumPages: "true" });
  const answer = (await fetchWhole(client, asked, 1 << 16))?.toString("utf8");
  if (answer === undefined) return;
  const pages = numberOfPages(answer);
  if (pages === null)
    throw new UserError(
      `${asked}: expected {"pages": N}, got ${JSON.stringify(answer.slice(0, 120))}`,
      "Name a CDXJ server such as https://index.commoncrawl.org in source.index.api, or leave it out for the index beside the crawl.",
    );
  for (let page = 0; page < pages; page++) {
    const body = await fetchWhole(client, address({ page: String(page) }), longestPage);
    for (const line of body?.toString("utf8").split("\n") ?? []) if (line !== "" && !take(line)) return;
  }
}

/** From `{"pages": 2, "pageSize": 5, "blocks": 7}`, or the bare number that older servers send. */
export function numberOfPages(answer: string): number | null {
  try {
    const value: unknown = JSON.parse(answer);
    const pages = typeof value === "number" ? value : (value as { pages?: unknown } | null)?.pages;
    return Number.isInteger(pages) && (pages as number) >= 0 && (pages as number) <= 1e6
      ? (pages as number)
      : null;
  } catch {
    return null;
  }
}
