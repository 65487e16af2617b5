/**
 * A piece of a file on the host, in memory, exactly as long as asked. A host that knows no ranges sends the whole
 * file: what comes before the piece is let go by and the connection ended behind it. Knows nothing of what is in it.
 */
import { UserError } from "../../lib/errors.ts";
import { brokenOff, type Client, type Reply } from "./client.ts";
import type { Attempt } from "./limiter.ts";

export type Piece = {
  readonly bytes: Buffer;
  /** Length of the whole file, where the host says it. */
  readonly total: number | null;
};

/** Bytes `from` up to, not including, `to`; fewer where the file ends before. Null where the host has no such file. */
export function fetchRange(client: Client, url: string, from: number, to: number): Promise<Piece | null> {
  const use = (reply: Reply): Promise<Attempt<Piece>> => collect(client, reply, from, to);
  const headers = () => ({ range: `bytes=${from}-${to - 1}` });
  return client.ask({ method: "GET", url, headers, use, accept: [416] });
}

/** The whole of a file of at most `most` bytes. */
export async function fetchWhole(client: Client, url: string, most: number): Promise<Buffer | null> {
  const use = async (reply: Reply): Promise<Attempt<Piece>> => {
    const done = await collect(client, reply, 0, most + 1);
    if (done.kind === "done" && done.value.bytes.length > most)
      throw new UserError(`${url}: expected at most ${most} bytes, got more`, "Check the address.");
    return done;
  };
  return (await client.ask({ method: "GET", url, use }))?.bytes ?? null;
}

async function collect(client: Client, reply: Reply, from: number, to: number): Promise<Attempt<Piece>> {
  const again = (why: string): Attempt<Piece> => ({ kind: "again", why, after: null, answered: true });
  const { status, headers, body } = reply;
  body.on("error", () => {});
  try {
    if (status === 416) return { kind: "done", value: { bytes: Buffer.alloc(0), total: null } };
    const ranged = status === 206;
    const said = headers.get("content-length");
    let total = said === undefined ? null : Number(said);
    if (ranged) {
      const value = headers.get("content-range") ?? "";
      const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(value.trim());
      if (!range || Number(range[1]) !== from)
        return again(
          `the host sent the range ${JSON.stringify(value.slice(0, 80))}, asked was ${from}-${to - 1}`,
        );
      total = range[3] === "*" ? null : Number(range[3]);
    }
    const end = total === null ? to : Math.min(to, total);
    const chunks: Uint8Array[] = [];
    let at = ranged ? from : 0;
    for await (const data of body) {
      const chunk = data as Uint8Array;
      const piece = chunk.subarray(Math.max(0, from - at), Math.max(0, to - at));
      if (piece.length > 0) chunks.push(piece);
      at += chunk.length;
      if (at >= to) break;
    }
    const bytes = Buffer.concat(chunks);
    const short = total === null && !ranged ? said !== undefined : from + bytes.length < end;
    if (short) return again(`the answer ended after ${bytes.length} of ${end - from} bytes`);
    return { kind: "done", value: { bytes, total } };
  } catch (error) {
    client.limiter.signal.throwIfAborted();
    return brokenOff(error, client.idle, true);
  } finally {
    body.destroy();
  }
}
