/**
 * What a downloaded list is and which option of `url-filter` takes it, told by its content: an archive of UT1
 * categories, domains or hosts, URLs, or words. Refuses what is no list, such as the HTML page of a host in trouble.
 */
import { UserError } from "../../../lib/errors.ts";
import { categoriesOf, eachLine, isGzip, unzipped } from "./lists.ts";

export type ListDescription = {
  readonly use: "domains" | "urls" | "ut1" | "words";
  readonly entries: number;
  /** Names of the categories of an archive, in alphabetical order. */
  readonly categories: readonly string[];
};

/** Throws UserError where `bytes` hold no entries; `from` names them in the message. */
export function describeList(bytes: Uint8Array, from: string): ListDescription {
  const content = isGzip(bytes) ? unzipped(bytes, from) : bytes;
  const categories = categoriesOf(content);
  if (categories.size > 0) {
    const entries = [...categories.values()].reduce((sum, count) => sum + count, 0);
    if (entries === 0) throw new UserError(`${from} holds categories without entries`, "Name another list.");
    return { use: "ut1", entries, categories: [...categories.keys()].sort() };
  }
  const head = Buffer.from(content.buffer, content.byteOffset, Math.min(content.length, 1000)).toString(
    "latin1",
  );
  if (/^(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|\?xml|error)/i.test(head))
    throw new UserError(
      `${from} is a page, expected a list: it begins ${JSON.stringify(head.trim().slice(0, 40))}`,
      "Name the address of the list itself, often behind a link named raw or download.",
    );
  if (head.includes("\0"))
    throw new UserError(
      `${from} is binary, expected a list of lines or an archive of UT1 categories`,
      "Lists may be plain or gzip, archives .tar or .tar.gz.",
    );
  let entries = 0;
  let withPath = 0;
  let withDot = 0;
  eachLine(content, entry => {
    entries++;
    const rest = entry.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "");
    if (/\/./.test(rest)) withPath++;
    else if (rest.includes(".")) withDot++;
  });
  if (entries === 0) throw new UserError(`${from} holds no entries`, "Every line is blank or a comment.");
  const use = withPath > entries / 2 ? "urls" : withPath + withDot > entries / 2 ? "domains" : "words";
  return { use, entries, categories: [] };
}
