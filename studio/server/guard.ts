/**
 * What stands before every answer: only this machine's own names for itself, only our own page, a policy that lets
 * nothing be loaded from anywhere else. A page open in the same browser can send requests to 127.0.0.1, and a name
 * on the internet can be made to point there; Host and Origin tell them apart from our page.
 */
import type { MiddlewareHandler } from "hono";

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const local = ["127.0.0.1", "localhost", "[::1]"];

/** Whether a Host or Origin header names this server on this machine. */
export function namesUs(host: string, port: number): boolean {
  return local.some(name => host === `${name}:${port}` || (port === 80 && host === name));
}

export function guard(port: () => number): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header("host") ?? "";
    const origin = context.req.header("origin");
    const site = context.req.header("sec-fetch-site");
    if (!namesUs(host, port())) return context.json(refusal(`Host ${JSON.stringify(host)}`), 403);
    if (origin !== undefined && !namesUs(origin.replace(/^http:\/\//, ""), port()))
      return context.json(refusal(`Origin ${JSON.stringify(origin)}`), 403);
    if (site === "cross-site") return context.json(refusal("a request of another site"), 403);
    await next();
    const headers = context.res.headers;
    if (!headers.has("content-security-policy")) headers.set("content-security-policy", policy);
    headers.set("x-content-type-options", "nosniff");
    headers.set("referrer-policy", "no-referrer");
    headers.set("cross-origin-resource-policy", "same-origin");
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  };
}

const refusal = (what: string) => ({
  error: `refused: ${what} is not this studio's own`,
  hint: "Open the address that curate studio printed.",
});
