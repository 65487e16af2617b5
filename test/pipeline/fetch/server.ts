/**
 * A crawl's host that misbehaves on demand: serves files from memory or from a folder on 127.0.0.1, with ranges, ETags
 * and HEAD as object stores do, and for each request whose turn it is one fault of a list. It logs what it was asked.
 */
import { readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** What goes wrong with one request. `after` counts bytes of the body. */
export type Fault =
  /** Sends so many bytes, then breaks the connection. */
  | { readonly kind: "reset"; readonly after: number }
  /** Sends so many bytes, then nothing more. */
  | { readonly kind: "stall"; readonly after: number }
  /** Ends after so many bytes without a Content-Length: a clean end, but too early. */
  | { readonly kind: "short"; readonly after: number }
  /** A Content-Length that is off by so much; the body is cut or padded to it. */
  | { readonly kind: "length"; readonly off: number }
  /** Sends pieces of so many bytes with a pause between them. */
  | { readonly kind: "slow"; readonly piece: number; readonly pause: number }
  | { readonly kind: "status"; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Bytes that are not HTTP. */
  | { readonly kind: "garbage" }
  /** A page of another kind with status 200 and the right length. */
  | { readonly kind: "page" }
  /** Answers 200 with everything whatever range was asked for. */
  | { readonly kind: "no-range" }
  /** A range that begins elsewhere than asked. */
  | { readonly kind: "wrong-range" }
  /** Redirects to the same path on this server, once. */
  | { readonly kind: "redirect" }
  | { readonly kind: "none" };

export type Asked = {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly userAgent: string | undefined;
  readonly status: number;
};

export type HostedFile = { readonly data: Buffer; etag: string | null; lastModified?: string };

export type Host = {
  readonly base: string;
  readonly files: Map<string, HostedFile>;
  /** Faults still to come, by path or by "METHOD path"; the first of the list meets the next request. */
  readonly faults: Map<string, Fault[]>;
  readonly asked: Asked[];
  /** Called before each answer. */
  hook: ((path: string, method: string) => void) | null;
  /** The most requests that were under way at one time. */
  readonly busiest: () => number;
  close(): Promise<void>;
};

/** Starts a host of `files`, and of what lies below `folder` where a path is not among them. */
export async function startHost(
  files: ReadonlyMap<string, Buffer> = new Map(),
  folder?: string,
): Promise<Host> {
  const hosted = new Map<string, HostedFile>();
  for (const [path, data] of files) hosted.set(path, { data, etag: `"${path.length}-${data.length}"` });
  const faults = new Map<string, Fault[]>();
  const asked: Asked[] = [];
  const state = { hook: null as Host["hook"], active: 0, busiest: 0 };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = decodeURI(request.url!.slice(1)).replace(/\?redirected$/, "");
    const method = request.method!;
    state.hook?.(path, method);
    const queue = faults.get(`${method} ${path}`) ?? faults.get(path) ?? [];
    const fault = queue.shift() ?? { kind: "none" };
    const { range, "user-agent": userAgent } = request.headers;
    const ifRange = request.headers["if-range"] as string | undefined;
    const log = (status: number) => asked.push({ method, path, range, ifRange, userAgent, status });

    if (fault.kind === "garbage") {
      log(0);
      request.socket.end("\u0000\u0001 not HTTP at all\r\n\r\n");
      return;
    }
    if (fault.kind === "status") {
      log(fault.status);
      response.writeHead(fault.status, { ...fault.headers }).end("<Error><Code>SlowDown</Code></Error>");
      return;
    }
    if (fault.kind === "redirect") {
      log(302);
      response.writeHead(302, { location: `/${path}?redirected` }).end();
      return;
    }
    const file = hosted.get(path) ?? fromFolder(folder, path);
    if (!file) {
      log(404);
      response.writeHead(404).end("<Error><Code>NoSuchKey</Code></Error>");
      return;
    }
    const size = file.data.length;
    const version: Record<string, string> = {
      ...(file.etag === null ? {} : { etag: file.etag }),
      ...(file.lastModified === undefined ? {} : { "last-modified": file.lastModified }),
    };
    const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
    const fresh = ifRange === undefined || ifRange === file.etag || ifRange === file.lastModified;
    const ranged = match !== null && fresh && fault.kind !== "no-range" && method === "GET";
    let from = ranged ? Number(match[1]) : 0;
    if (ranged && from >= size) {
      log(416);
      response.writeHead(416, { "content-range": `bytes */${size}` }).end();
      return;
    }
    if (fault.kind === "wrong-range") from = Math.max(0, from - 7);
    const end = ranged && match[2] ? Math.min(size, Number(match[2]) + 1) : size;
    let body = file.data.subarray(from, end);
    if (fault.kind === "page") body = Buffer.alloc(body.length, "<html>busy</html>");
    if (fault.kind === "length")
      body = fault.off < 0 ? body.subarray(0, fault.off) : Buffer.concat([body, Buffer.alloc(fault.off)]);
    log(ranged ? 206 : 200);
    response.writeHead(ranged ? 206 : 200, {
      ...version,
      ...(fault.kind === "short" ? {} : { "content-length": String(body.length) }),
      ...(ranged ? { "content-range": `bytes ${from}-${end - 1}/${size}` } : {}),
    });
    if (method === "HEAD") return void response.end();
    switch (fault.kind) {
      case "reset":
        response.write(body.subarray(0, fault.after));
        await delay(5);
        request.socket.destroy();
        return;
      case "stall":
        response.write(body.subarray(0, fault.after));
        return;
      case "short":
        response.end(body.subarray(0, fault.after));
        return;
      case "slow":
        for (let at = 0; at < body.length && !response.destroyed; at += fault.piece) {
          response.write(body.subarray(at, at + fault.piece));
          await delay(fault.pause);
        }
        response.end();
        return;
      default:
        response.end(body);
    }
  };

  const server = createServer((request, response) => {
    state.active++;
    state.busiest = Math.max(state.busiest, state.active);
    response.once("close", () => state.active--);
    request.socket.on("error", () => {});
    response.on("error", () => {});
    void answer(request, response);
  });
  await new Promise<void>(ready => server.listen(0, "127.0.0.1", ready));
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files: hosted,
    faults,
    asked,
    get hook() {
      return state.hook;
    },
    set hook(hook) {
      state.hook = hook;
    },
    busiest: () => state.busiest,
    close: () =>
      new Promise(closed => {
        server.closeAllConnections();
        server.close(() => closed());
      }),
  };
}

function fromFolder(folder: string | undefined, path: string): HostedFile | null {
  const stat = folder ? statSync(join(folder, path), { throwIfNoEntry: false }) : undefined;
  if (!folder || !stat?.isFile()) return null;
  return { data: readFileSync(join(folder, path)), etag: `"${stat.size.toString(16)}-1"` };
}
