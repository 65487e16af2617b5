/** Keys of addresses: compared with those of a real index and of recorded answers of the index server. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { packageRoot } from "../../../lib/package-root.ts";
import { compareKeys, keyRange, surtOf } from "../../../pipeline/fetch/surt.ts";

const shared = join(packageRoot, "..", "shared", "data");

test("addresses become keys as the surt package writes them", () => {
  const cases: readonly (readonly [string, string | null])[] = [
    ["https://www.Example.org/A/b/?b=2&a=1", "org,example)/a/b?a=1&b=2"],
    ["example.org", "org,example)/"],
    ["http://www2.example.co.uk:80/", "uk,co,example)/"],
    ["https://example.org:8443/x", "org,example:8443)/x"],
    ["http://example.org/?", "org,example)/"],
    ["http://example.org/p?sid=0123456789abcdef0123456789abcdef&x=1", "org,example)/p?x=1"],
    ["http://example.org/p;jsessionid=0123456789abcdef0123456789abcdef", "org,example)/p"],
    ["ftp://example.org/", null],
    ["http://", null],
  ];
  for (const [address, key] of cases) assert.equal(surtOf(address), key, address);
});

test("every address of the crawl's index has the key that the index gives it", t => {
  const path = join(shared, "crawl", "index.cdxj.gz");
  if (!existsSync(path)) {
    assert.notEqual(process.env["CI"], "true", `no data at ${path}`);
    return t.skip(`no data at ${path}`);
  }
  const lines = gunzipSync(readFileSync(path)).toString("utf8").split("\n").filter(Boolean);
  const wrong = lines.filter(line => {
    const [key] = line.split(" ", 1);
    return surtOf(JSON.parse(line.slice(line.indexOf("{"))).url) !== key;
  });
  assert.equal(lines.length, 2842);
  assert.deepEqual(wrong.slice(0, 5), []);
  assert.ok(
    lines.every(
      (line, i) => i === 0 || compareKeys(lines[i - 1]!.split(" ", 1)[0]!, line.split(" ", 1)[0]!) <= 0,
    ),
  );
});

test("so has every address in recorded answers of Common Crawl's index server", t => {
  const folder = join(shared, "warc", "cdx_toolkit", "tests", "data", "mock_responses");
  if (!existsSync(folder)) {
    assert.notEqual(process.env["CI"], "true", `no data at ${folder}`);
    return t.skip(`no data at ${folder}`);
  }
  let compared = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".jsonl")) continue;
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      const { url = "", response_text = "" } = line ? JSON.parse(line) : {};
      if (!url.startsWith("https://index.commoncrawl.org/CC-MAIN")) continue;
      for (const answer of String(response_text).split("\n")) {
        if (!answer.startsWith('{"urlkey"')) continue;
        const found = JSON.parse(answer) as { urlkey: string; url: string };
        assert.equal(surtOf(found.url), found.urlkey, found.url);
        compared++;
      }
    }
  }
  assert.ok(compared > 100, `${compared} compared`);
});

test("a query is a page, a prefix or a domain with its hosts", () => {
  const keys = [
    "org,exampl)/",
    "org,example)/",
    "org,example)/blog",
    "org,example)/blog/1",
    "org,example)/blogger",
    "org,example,shop)/",
    "org,example-two)/",
    "org,examples)/",
  ];
  const found = (query: string) => {
    const range = keyRange(query)!;
    return keys.filter(
      key => compareKeys(key, range.from) >= 0 && compareKeys(key, range.to) < 0 && range.wants(key),
    );
  };
  assert.deepEqual(found("*.example.org"), keys.slice(1, 6));
  assert.deepEqual(found("www.example.org/*"), keys.slice(1, 5));
  assert.deepEqual(found("example.org/blog/*"), ["org,example)/blog/1"]);
  assert.deepEqual(found("example.org/blog*"), [
    "org,example)/blog",
    "org,example)/blog/1",
    "org,example)/blogger",
  ]);
  assert.deepEqual(found("https://example.org/blog/"), ["org,example)/blog"]);
  for (const query of ["", "*", "*.", "a b", "*.example.org/x", "exa*mple.org", "mailto:a@b", "*.a*"])
    assert.equal(keyRange(query), null, query);
});
