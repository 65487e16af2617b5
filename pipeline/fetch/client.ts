/**
 * Requests to a crawl's host over undici: sent through the limiter, repeated where that helps, and answers turned
 * into "here it is", "not there", "again later" or "stop". Knows statuses, not files. Common Crawl answers 404 for
 * what does not exist, 403 where an address is blocked for asking too much, and 503 where its store wants a pause.
 */
import { Agent, type Dispatcher, EnvHttpProxyAgent, interceptors, request } from "undici";
import { UserError } from "../../lib/errors.ts";
import { type Attempt, createLimiter, type Limiter, type LimiterOptions } from "./limiter.ts";

export type Reply = {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Dispatcher.ResponseData["body"];
};

export type ClientOptions = LimiterOptions & {
  /** Version of curate and contact, as the User-Agent header says them. */
  readonly version: string;
  readonly contact: string;
  /** Milliseconds without a byte after which a connection counts as broken. */
  readonly idle?: number | undefined;
};

export type Ask<T> = {
  readonly method: "GET" | "HEAD";
  readonly url: string;
  /** Asked anew before each try, lower-case names. */
  headers?(): Record<string, string>;
  /** What to make of an answer with a status of 2xx or one of `accept`. Its body must be read or destroyed. */
  use(reply: Reply, good: () => void): Promise<Attempt<T>>;
  readonly accept?: readonly number[];
};

export type Client = {
  readonly limiter: Limiter;
  readonly idle: number;
  /** What `use` made of the answer, or null where the host has no such file. */
  ask<T>(what: Ask<T>): Promise<T | null>;
  close(): Promise<void>;
};

export function openClient(options: ClientOptions): Client {
  const { version, contact, idle = 60_000 } = options;
  const limiter = createLimiter(options);
  const agentOptions = {
    connections: options.concurrent,
    connect: { timeout: idle },
    headersTimeout: idle,
    bodyTimeout: idle,
  };
  const agent = proxied() ? new EnvHttpProxyAgent(agentOptions) : new Agent(agentOptions);
  const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 5 }));
  const always = {
    "user-agent": `curate/${version}${contact ? ` (${contact})` : ""}`,
    "accept-encoding": "identity",
  };

  const attempt = async <T>(what: Ask<T>, good: () => void): Promise<Attempt<T | null>> => {
    const { method, url, headers, use, accept = [] } = what;
    let reply: Reply;
    try {
      const got = await request(url, {
        method,
        headers: { ...always, ...headers?.() },
        dispatcher,
        signal: limiter.signal,
      });
      reply = { status: got.statusCode, headers: headersOf(got.headers), body: got.body };
    } catch (error) {
      limiter.signal.throwIfAborted();
      return brokenOff(error, idle, false);
    }
    if (accept.includes(reply.status) || (reply.status >= 200 && reply.status <= 299))
      return use(reply, good);
    await reply.body.dump({ limit: 65536, signal: limiter.signal }).catch(() => reply.body.destroy());
    limiter.signal.throwIfAborted();
    return refused(reply, url, limiter.clock.now());
  };

  return {
    limiter,
    idle,
    ask: what => limiter.run(what.url, good => attempt(what, good)),
    close: () => agent.destroy(),
  };
}

const proxied = () =>
  ["http_proxy", "https_proxy"].some(name => process.env[name] || process.env[name.toUpperCase()]);

function headersOf(headers: Dispatcher.ResponseData["headers"]): Map<string, string> {
  return new Map(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value[value.length - 1]! : (value ?? ""),
    ]),
  );
}

/** An answer other than success, in terms of what to do next. */
function refused({ status, headers }: Reply, url: string, now: number): Attempt<null> {
  const host = new URL(url).host;
  if (status === 404 || status === 410) return { kind: "done", value: null };
  if (status === 408 || status === 429 || status >= 500) {
    const after = retryAfter(headers.get("retry-after"), now);
    return { kind: "again", why: `${host} answered ${named(status)}`, after, answered: true };
  }
  if (status === 403 || status === 401) {
    return {
      kind: "stop",
      error: new UserError(
        `${host} refuses to serve us: ${named(status)} for ${url}`,
        "Common Crawl blocks addresses that ask for too much. All requests were stopped; what was downloaded is kept. Wait some hours, set source.concurrent to 1 and source.userAgent to a contact, and run the same command again, or name a mirror in source.base.",
      ),
    };
  }
  return { kind: "stop", error: new UserError(`${url}: expected the file, got the answer ${named(status)}`) };
}

const names: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  408: "Request Timeout",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};
const named = (status: number): string => (names[status] ? `${status} ${names[status]}` : `${status}`);

/** Milliseconds a Retry-After header asks for, in seconds or as a date; null where it says nothing. */
export function retryAfter(value: string | undefined, now: number): number | null {
  if (value === undefined) return null;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = /\d{4}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** A fault of the connection as an attempt to repeat; any other error is thrown on. */
export function brokenOff(error: unknown, idle: number, answered: boolean): Attempt<never> {
  const { name, message, code = name === "HTTPParserError" ? "HPE" : "" } = error as NodeJS.ErrnoException;
  if (code === "" || /^(UND_ERR_INVALID|ERR_INVALID|UND_ERR_NOT_SUPPORTED)/.test(code)) throw error;
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: "nobody listens at that address",
    ENOTFOUND: "there is no host of that name",
    EAI_AGAIN: "the name of the host could not be looked up",
    ECONNRESET: "the connection broke",
    EPIPE: "the connection broke",
    UND_ERR_SOCKET: "the connection broke",
    UND_ERR_CONNECT_TIMEOUT: `no connection within ${idle / 1000} s`,
    UND_ERR_HEADERS_TIMEOUT: `no answer for ${idle / 1000} s`,
    UND_ERR_BODY_TIMEOUT: `nothing came for ${idle / 1000} s`,
  };
  const why = code.startsWith("HPE") ? "the answer was not HTTP" : (words[code] ?? message);
  return { kind: "again", why: `${why} (${code})`, after: null, answered };
}
