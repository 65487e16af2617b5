/**
 * One file from the host to a reader without a copy on disk: asked for in pieces by Range, each handed over as it is
 * whole, so that no connection waits while pages are filtered. After a break the reader says where it goes on: at its
 * last whole gzip member. A host that ignores ranges sends all of it: what was read is let go by, and the connection
 * stays open as long as it lasts. Length and version are compared at every answer. Knows no threads and no records.
 */
import { ChangedInput } from "./changed-input.ts";
import { brokenOff, type Client, type Reply } from "./client.ts";
import type { Attempt } from "./limiter.ts";
import { fingerprintOf, type Version } from "./store.ts";

export type Part = {
  /** Place in the file of its first byte. */
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Length of the file. */
  readonly total: number;
  /** The connection broke behind it. */
  readonly broken: boolean;
  /** The file is not the version that was listed. */
  readonly changed: boolean;
};

export type StreamedFile = {
  readonly url: string;
  /** Length and version as they were when the crawl was listed. */
  readonly listed: { readonly bytes: number; readonly fingerprint: string };
  /** Bytes asked for at a time. */
  readonly piece: number;
  /** Gives a part to the reader, and resolves with the byte at which it goes on. */
  handOver(part: Part): Promise<number>;
};

/** A request that brought this much is getting somewhere. */
const goodBytes = 1 << 20;

/** Resolves when the reader has all of it, with false where the host does not have the file. Throws ChangedInput. */
export async function streamFile(client: Client, file: StreamedFile): Promise<boolean> {
  const { url, listed, piece, handOver } = file;
  let version: Version | null = null;
  let want = 0;
  const total = () => (version ?? listed).bytes;
  const goal = () => Math.min(want + piece, total());

  const use = async (reply: Reply, good: () => void): Promise<Attempt<Part | "elsewhere">> => {
    const again = (why: string): Attempt<never> => ({ kind: "again", why, after: null, answered: true });
    const { status, headers, body } = reply;
    const content = contentOf(body);
    try {
      if (status === 416) return again("the host has less of it than it said");
      const ranged = status === 206;
      const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec((headers.get("content-range") ?? "").trim());
      if (ranged && (!range || Number(range[1]) !== want))
        return again(
          `the host sent the range ${JSON.stringify(headers.get("content-range") ?? "")}, asked was ${want}-`,
        );
      const length = ranged ? range![3] : headers.get("content-length");
      const bytes = length === undefined || length === "*" ? total() : Number(length);
      const said = {
        bytes,
        etag: headers.get("etag") ?? null,
        lastModified: headers.get("last-modified") ?? null,
      };
      const before = version === null ? listed.fingerprint : fingerprintOf(version);
      if (bytes !== total() && fingerprintOf({ ...said, bytes: total() }) === before)
        return again(`the host says ${bytes} bytes, and said ${total()} of the same version before`);
      if (version !== null && fingerprintOf(said) !== before) throw new ChangedInput(url);

      if (!ranged) await content.skip(want);
      for (;;) {
        const end = Math.min(want + piece, bytes);
        const buffer = new Uint8Array(end - want);
        const filled = await content.fill(buffer);
        const whole = filled === buffer.length;
        client.limiter.signal.throwIfAborted();
        if (want === 0 && filled >= 2 && !looksRight(url, buffer))
          return again("what the host sent is not gzip data");
        if ((ranged || end === bytes) && whole && (await content.fill(new Uint8Array(1))) > 0)
          return again(`the host sent more than the ${ranged ? buffer.length : bytes} bytes it promised`);
        if (filled >= 2 || want > 0) version = said;
        if (filled >= goodBytes) good();
        const changed = fingerprintOf(said) !== listed.fingerprint;
        const part = { at: want, bytes: buffer.subarray(0, filled), total: bytes, broken: !whole, changed };
        if (!whole) {
          const fault = content.fault();
          const where = `after ${want + filled} of ${ranged ? end : bytes} bytes`;
          const tried = fault ? brokenOff(fault, client.idle, true) : again(`the answer ended ${where}`);
          const settle = async () => {
            want = await handOver(part);
          };
          return version !== null && filled > 0 && tried.kind === "again" ? { ...tried, settle } : tried;
        }
        if (ranged || end === bytes) return { kind: "done", value: part };
        want = await handOver(part);
        if (want !== end) return { kind: "done", value: "elsewhere" };
      }
    } finally {
      body.destroy();
    }
  };

  const headers = (): Record<string, string> => {
    const same = version === null ? null : validator(version);
    return { range: `bytes=${want}-${goal() - 1}`, ...(same === null ? {} : { "if-range": same }) };
  };
  if (listed.bytes === 0) {
    await handOver({ at: 0, bytes: new Uint8Array(0), total: 0, broken: false, changed: false });
    return true;
  }
  while (version === null || want < total()) {
    const part = await client.ask({ method: "GET", url, headers, use, accept: [416] });
    if (part === null && version === null) return false;
    if (part === null) throw new ChangedInput(url);
    if (part !== "elsewhere") want = await handOver(part);
  }
  return true;
}

/** What If-Range may hold: a strong ETag, else the date of the last change. */
function validator({ etag, lastModified }: Version): string | null {
  return etag && !etag.startsWith("W/") ? etag : lastModified;
}

/** Whether the first bytes fit the name. */
const looksRight = (url: string, bytes: Uint8Array): boolean =>
  !url.endsWith(".gz") || (bytes[0] === 0x1f && bytes[1] === 0x8b);

type Content = {
  /** Fills `into`, and says how many bytes there were before the content ended or broke off. */
  fill(into: Uint8Array): Promise<number>;
  skip(bytes: number): Promise<void>;
  /** What broke it off, or null. */
  fault(): Error | null;
};

/**
 * A body read as it is asked for, all that came before a break included: iterating over the stream loses up to 64 KiB
 * of that.
 */
function contentOf(body: Reply["body"]): Content {
  const queue: Uint8Array[] = [];
  let over = false;
  let fault: Error | null = null;
  let wake = () => {};
  body.pause();
  body.on("data", (chunk: Uint8Array) => {
    queue.push(chunk);
    body.pause();
    wake();
  });
  body.on("end", () => {
    over = true;
    wake();
  });
  body.on("error", error => {
    fault ??= error;
    over = true;
    wake();
  });
  /** Takes at most `most` of the bytes that come next; none at the end. */
  const take = async (most: number): Promise<Uint8Array> => {
    while (queue.length === 0 && !over) {
      const woken = new Promise<void>(resolve => {
        wake = resolve;
      });
      body.resume();
      await woken;
    }
    const chunk = queue.shift() ?? new Uint8Array(0);
    if (chunk.length > most) queue.unshift(chunk.subarray(most));
    return chunk.subarray(0, most);
  };
  return {
    async fill(into) {
      let filled = 0;
      while (filled < into.length) {
        const bytes = await take(into.length - filled);
        if (bytes.length === 0) break;
        into.set(bytes, filled);
        filled += bytes.length;
      }
      return filled;
    },
    async skip(bytes) {
      for (let left = bytes; left > 0; ) {
        const { length } = await take(left);
        if (length === 0) break;
        left -= length;
      }
    },
    fault: () => fault,
  };
}
