/**
 * Reservations: what counts as one, what is said to others, and robots.txt by the standard.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { UserError } from "../../../lib/errors.ts";
import { defaults } from "../../../lib/options.ts";
import type { Document } from "../../../pipeline/document.ts";
import { allows, isReadable, parseRobots } from "../../../pipeline/filters/opt-out/robots.ts";
import { optOut } from "../../../pipeline/filters/opt-out.ts";
import { gzipEach, http, warc } from "../readers/archives.ts";

type Given = Partial<Parameters<typeof optOut.build>[0]>;

async function judgeOf(given: Given = {}, files: Readonly<Record<string, Buffer>> = {}) {
  const load = async (path: string) => files[path]!;
  const judge = await optOut.build({ ...defaults(optOut.options), ...given }, { load, seed: 1 });
  return (html: string, headers: Readonly<Record<string, string>> = {}, url = "http://a.org/x"): string => {
    const page = {
      status: 200,
      headers: new Map(Object.entries(headers)),
      mime: "text/html",
      body: Buffer.from(html),
    };
    const verdict = judge({ url, page, meta: {} } as unknown as Document);
    return "keep" in verdict ? "keep" : `${verdict.drop}: ${verdict.value}`;
  };
}

test("X-Robots-Tag: for all, for us by name, not for others", async () => {
  const judge = await judgeOf();
  const tag = (value: string) => judge("<p>", { "x-robots-tag": value });
  assert.equal(tag("noai"), "noai: X-Robots-Tag: noai");
  assert.equal(tag("NoArchive, NOAI"), "noai: X-Robots-Tag: noai");
  assert.equal(tag("noarchive noimageai"), "noimageai: X-Robots-Tag: noimageai");
  assert.equal(tag("ccbot: noai"), "noai: X-Robots-Tag: noai");
  assert.equal(tag("googlebot: noai"), "keep");
  assert.equal(tag("googlebot: nofollow, noai"), "keep");
  assert.equal(tag("googlebot: nofollow, gptbot: noai"), "noai: X-Robots-Tag: noai");
  assert.equal(tag("unavailable_after: 25 Jun 2030 15:00:00 PST, noai"), "noai: X-Robots-Tag: noai");
  assert.equal(tag("max-snippet: 20, noai"), "noai: X-Robots-Tag: noai");
  assert.equal(tag("all"), "keep");
  assert.equal(tag(""), "keep");
});

test("meta robots: any case, commas or blanks, for us by name, not for others, not in comments or scripts", async () => {
  const judge = await judgeOf();
  assert.equal(
    judge('<meta name="robots" content="index, NoAI">'),
    'noai: <meta name="robots" content="noai">',
  );
  assert.equal(
    judge("<META NAME=Robots CONTENT='noimageai noai'>"),
    'noimageai: <meta name="robots" content="noimageai">',
  );
  assert.equal(judge('<meta name="CCBot" content="noai">'), 'noai: <meta name="ccbot" content="noai">');
  assert.equal(judge('<meta name="googlebot" content="noai">'), "keep");
  assert.equal(judge('<!-- <meta name="robots" content="noai"> -->'), "keep");
  assert.equal(judge(`<script>var x = '<meta name="robots" content="noai">';</script>`), "keep");
  assert.equal(judge('<meta name="description" content="about noai">'), "keep");
  assert.equal(
    judge('<meta http-equiv="X-Robots-Tag" content="noai">'),
    'noai: <meta http-equiv="x-robots-tag" content="noai">',
  );
  assert.equal(judge('<meta name="robots" content="noindex, nofollow">'), "keep");
});

test("noindex counts where that is asked for, none means it too", async () => {
  const judge = await judgeOf({ signals: ["noindex"] });
  assert.equal(
    judge('<meta name="robots" content="noindex">'),
    'noindex: <meta name="robots" content="noindex">',
  );
  assert.equal(
    judge('<meta name="robots" content="none">'),
    'noindex: <meta name="robots" content="noindex">',
  );
  assert.equal(judge('<meta name="robots" content="noai">'), "keep");
});

test("TDM reservation in header and meta; 0 reserves nothing", async () => {
  const judge = await judgeOf();
  assert.equal(judge("<p>", { "tdm-reservation": "1" }), "tdm-reservation: tdm-reservation: 1");
  assert.equal(judge("<p>", { "tdm-reservation": "0" }), "keep");
  assert.equal(
    judge('<meta name="tdm-reservation" content="1">'),
    'tdm-reservation: <meta name="tdm-reservation" content="1">',
  );
  assert.equal(judge('<meta name="tdm-reservation" content="0">'), "keep");
});

test("a page in UTF-16 is understood, a document without a page is kept", async () => {
  const judge = await optOut.build(defaults(optOut.options), { load: async () => Buffer.alloc(0), seed: 1 });
  const body = Buffer.from('\ufeff<html><meta name="robots" content="noai">', "utf16le");
  const page = { status: 200, headers: new Map(), mime: "text/html", body };
  assert.ok("drop" in judge({ url: null, page, meta: {} } as unknown as Document));
  assert.ok("keep" in judge({ url: null, page: null, text: "noai", meta: {} } as unknown as Document));
});

const robotsOf = (text: string) => parseRobots(text);

test("robots.txt: groups, the longest rule, allow on a tie, wildcards, the star as the rest", () => {
  const robots = robotsOf(
    "\ufeff# comment\r\nUser-agent: CCBot\r\nUser-Agent: GPTBot # both\r\nDisallow: /private\r\nAllow: /private/open\r\nCrawl-delay: 5\r\n\r\n" +
      "user-agent: *\ndisallow: /*.pdf$\ndisallow: /a*b/\nallow: /page\ndisallow: /page\n\nUser-agent: ccbot\nDisallow: /later\n",
  );
  const cases: [string, string, boolean][] = [
    ["CCBot", "/private/x", false],
    ["gptbot", "/private", false],
    ["CCBot", "/private/open/x", true],
    ["CCBot", "/x.pdf", true],
    ["CCBot", "/later", false],
    ["GPTBot", "/later", true],
    ["otherbot", "/x.pdf", false],
    ["otherbot", "/x.pdf?y", true],
    ["otherbot", "/a-and-b/", false],
    ["otherbot", "/ab", true],
    ["otherbot", "/page/1", true],
    ["otherbot", "/private", true],
  ];
  for (const [agent, path, wanted] of cases)
    assert.equal(allows(robots, agent, path), wanted, `${agent} ${path}`);
});

test("robots.txt: an empty Disallow and anything unreadable allow", () => {
  for (const text of [
    "",
    "User-agent: *\nDisallow:\n",
    "<html>not robots</html>",
    "Disallow: /\n",
    "\0\0\0",
    "User-agent\nDisallow /",
  ])
    assert.equal(allows(robotsOf(text), "CCBot", "/x"), true, JSON.stringify(text));
  assert.equal(allows(robotsOf("User-agent: *\nDisallow: /\n"), "CCBot", "/"), false);
});

test("robots.txt: any text and any path are decided quickly and without an exception", () => {
  const line = fc.oneof(
    fc.constant("User-agent: *"),
    fc.stringMatching(/^[*a$/]{0,30}$/).map(path => `Disallow: ${path}`),
    fc.string({ maxLength: 30 }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.stringMatching(/^\/[a/]{0,200}$/), (lines, path) => {
      return typeof allows(robotsOf(lines.join("\n")), "CCBot", path) === "boolean";
    }),
    { seed: 3, numRuns: 500 },
  );
});

test("robots.txt of a crawl is read from its WARC, site by site; other responses say nothing", async () => {
  const of = (uri: string, text: string | Buffer, status = "HTTP/1.1 200 OK", headers = {}) =>
    warc({ uri, block: http(text, { "Content-Type": "text/plain", ...headers }, status) });
  const file = gzipEach(
    of("http://a.org/robots.txt", "User-agent: GPTBot\nDisallow: /x\n"),
    of("http://b.org/robots.txt", "User-agent: *\nDisallow: /\n", "HTTP/1.1 404 Not Found"),
    of("http://c.org/other.txt", "User-agent: *\nDisallow: /\n"),
    of("https://d.org/robots.txt", gzipSync("User-agent: *\nDisallow: /\n"), "HTTP/1.1 200 OK", {
      "Content-Encoding": "gzip",
    }),
  );
  const judge = await judgeOf({ robots: ["robots.warc.gz"] }, { "robots.warc.gz": file });
  assert.equal(judge("<p>", {}, "http://a.org/x"), "robots-txt: GPTBot");
  assert.equal(judge("<p>", {}, "http://a.org/y"), "keep");
  assert.equal(judge("<p>", {}, "https://a.org/x"), "keep");
  assert.equal(judge("<p>", {}, "http://b.org/x"), "keep");
  assert.equal(judge("<p>", {}, "http://c.org/x"), "keep");
  assert.equal(judge("<p>", {}, "https://d.org/x?y"), "robots-txt: CCBot");
  assert.equal(judge("<p>", {}, "not a url"), "keep");
});

test("a robots.txt that is none allows or drops as the recipe says, and its pages are counted", async () => {
  for (const text of [
    "",
    "\ufeff# nothing\r\n\r\n",
    "Sitemap: https://a.org/s.xml",
    "  user-agent : *\rallow: /",
  ])
    assert.ok(isReadable(text), text);
  for (const text of [
    "<!DOCTYPE html>\n<title>Not found</title>",
    "body {\n color: red }",
    "404",
    "\0U\0s\0e\0r\0-\0a\0g\0e\0n\0t\0:\0*",
  ])
    assert.ok(!isReadable(text), text);
  const of = (uri: string, text: string, status = "HTTP/1.1 200 OK", headers = {}) =>
    warc({ uri, block: http(text, { "Content-Type": "text/plain", ...headers }, status) });
  const disallow = "User-agent: *\nDisallow: /private\n";
  const file = gzipEach(
    of("http://html.org/robots.txt", "<!DOCTYPE html>\n<title>Welcome</title>"),
    of("http://down.org/robots.txt", "busy", "HTTP/1.1 503 Service Unavailable"),
    of("http://strange.org/robots.txt", "\x01\x02", "HTTP/1.1 200 OK", { "Content-Encoding": "unheard-of" }),
    of("http://none.org/robots.txt", "<h1>Not found</h1>", "HTTP/1.1 404 Not Found"),
    of("http://again.org/robots.txt", disallow),
    of("http://again.org/robots.txt", "busy", "HTTP/1.1 500 Internal Server Error"),
  );
  const load = async () => file;
  for (const unreadableRobots of ["allow", "drop"] as const) {
    const values = { ...defaults(optOut.options), robots: ["robots.warc.gz"], unreadableRobots };
    const judge = await optOut.build(values, { load, seed: 1 });
    const told = (url: string | null) => {
      const verdict = judge({ url, page: null, meta: {} } as unknown as Document);
      return ["keep" in verdict ? "keep" : verdict.drop, verdict.measures?.["robots_unreadable"]];
    };
    const outcome = unreadableRobots === "drop" ? "robots-unreadable" : "keep";
    for (const host of ["html.org", "down.org", "strange.org"])
      assert.deepEqual(told(`http://${host}/x`), [outcome, 1], host);
    for (const host of ["none.org", "again.org", "unknown.org"])
      assert.deepEqual(told(`http://${host}/x`), ["keep", 0], host);
    assert.deepEqual(told("http://again.org/private"), ["robots-txt", 0]);
    assert.deepEqual(told(null), ["keep", 0]);
  }
  // Without robots records there is nothing to count.
  const without = await optOut.build(defaults(optOut.options), { load, seed: 1 });
  assert.equal(
    without({ url: "http://html.org/", page: null, meta: {} } as unknown as Document).measures,
    undefined,
  );
});

test("a site's tdmrep.json reserves its locations, the longest decides; anything unreadable reserves nothing", async () => {
  const of = (host: string, text: string) =>
    warc({
      uri: `https://${host}/.well-known/tdmrep.json`,
      block: http(text, { "Content-Type": "application/json" }),
    });
  const file = gzipEach(
    of(
      "a.org",
      '[{"location":"/","tdm-reservation":1,"tdm-policy":"https://a.org/p"},{"location":"/free/*","tdm-reservation":0}]',
    ),
    of("b.org", '[{"location":"*.pdf$","tdm-reservation":"1"},{"location":7},null]'),
    of("c.org", "<html>not found</html>"),
    of("d.org", '{"location":"/","tdm-reservation":1}'),
  );
  const files = { "robots.warc.gz": file };
  const judge = await judgeOf({ robots: ["robots.warc.gz"] }, files);
  const reserved = "tdm-reservation: /.well-known/tdmrep.json";
  assert.equal(judge("<p>", {}, "https://a.org/x"), reserved);
  assert.equal(judge("<p>", {}, "https://a.org/free/x"), "keep");
  assert.equal(judge("<p>", {}, "https://b.org/x.pdf"), reserved);
  for (const url of ["https://b.org/x", "https://c.org/", "https://d.org/", "http://a.org/x"])
    assert.equal(judge("<p>", {}, url), "keep", url);
  const off = await judgeOf({ robots: ["robots.warc.gz"], signals: ["noai"] }, files);
  assert.equal(off("<p>", {}, "https://a.org/x"), "keep");
});

test("robots records that are no WARC are the user's mistake", async () => {
  await assert.rejects(
    judgeOf({ robots: ["robots.zip"] }, { "robots.zip": Buffer.from("PK\x03\x04 and more of it") }),
    (error: Error) => error instanceof UserError && /^robots\.zip is a ZIP archive/.test(error.message),
  );
});
