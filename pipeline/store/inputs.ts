/** Inputs in an object store: patterns expanded by listing, and objects opened for the readers without a local copy. */
import { UserError } from "../../lib/errors.ts";
import { type Input, matches } from "../inputs.ts";
import { fromChunks, type StoredInput } from "../readers/window.ts";
import { addressOf, openStore, parseAddress, type Stat, type Store } from "./s3.ts";

let shared: Promise<Store> | null = null;

/** One client a thread. */
export const theStore = (): Promise<Store> => (shared ??= openStore());

/** The objects a pattern names, sorted; `*` and `?` stay within a folder, `**` does not. Throws UserError. */
export async function expandStored(pattern: string, where: string): Promise<Input[]> {
  const { bucket, key } = parseAddress(pattern);
  const store = await theStore();
  const found: Input[] = [];
  const wild = key.search(/[*?]/);
  if (wild < 0) {
    const stat = await store.stat({ bucket, key });
    if (stat) found.push(inputOf(pattern, stat));
  } else {
    for await (const object of store.list({ bucket, key: key.slice(0, wild) }))
      if (matchesPath(object.key.split("/"), key.split("/")))
        found.push(inputOf(addressOf({ bucket, key: object.key }), object));
  }
  if (found.length === 0)
    throw new UserError(
      `${where}: no object matches ${JSON.stringify(pattern)}`,
      "Check the bucket and the path.",
    );
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const inputOf = (name: string, { bytes, etag }: Stat): Input => ({
  name,
  bytes,
  fingerprint: `${etag} ${bytes}`,
});

function matchesPath(parts: readonly string[], pattern: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return parts.length === 0;
  if (first === "**") return parts.some((_, i) => matchesPath(parts.slice(i), rest));
  return parts.length > 0 && matches(parts[0]!, first) && matchesPath(parts.slice(1), rest);
}

/** An input's object; reading fails when it is no longer the version that was planned. */
export function storedInput({ name, bytes, fingerprint }: Input): StoredInput {
  const address = parseAddress(name);
  const etag = fingerprint.slice(0, fingerprint.lastIndexOf(" "));
  async function* chunks() {
    yield* (await theStore()).stream(address, { bytes, etag });
  }
  return {
    bytes,
    open: () => fromChunks(chunks()),
    slice: async (from, to) => (await theStore()).read(address, etag, from, to),
  };
}
