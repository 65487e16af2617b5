/**
 * The URL filter: spellings of addresses, list files as people have them, FineWeb's order and its known mistakes.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { UserError } from "../../../lib/errors.ts";
import { defaults } from "../../../lib/options.ts";
import { packageRoot } from "../../../lib/package-root.ts";
import type { Document } from "../../../pipeline/document.ts";
import { parseAddress } from "../../../pipeline/filters/url/address.ts";
import { createStringSet } from "../../../pipeline/filters/url/string-set.ts";
import { openSubstrings } from "../../../pipeline/filters/url/substrings.ts";
import { urlFilter } from "../../../pipeline/filters/url-filter.ts";
import type { Judge } from "../../../pipeline/stage.ts";
import { sharedLines, sharedPath } from "../shared-data.ts";

type Given = Partial<Parameters<typeof urlFilter.build>[0]>;
type Files = Readonly<Record<string, string | Buffer>>;

const none: Given = { hardWords: [], softWords: [] };

async function judgeOf(given: Given, files: Files = {}): Promise<(url: string | null) => string> {
  const load = async (path: string) => {
    const content = files[path];
    if (content === undefined) throw new UserError(`cannot read ${path}: no such file`);
    return Buffer.from(content);
  };
  const judge: Judge = await urlFilter.build(
    { ...defaults(urlFilter.options), ...none, ...given },
    { load, seed: 1 },
  );
  return url => {
    const verdict = judge({ url } as Document);
    return "keep" in verdict ? "keep" : `${verdict.drop}: ${verdict.value}`;
  };
}

test("a domain blocks what is below it, a host only itself and what is below it", async () => {
  const judge = await judgeOf(
    { domains: ["l"] },
    { l: "bad.com\nx.worse.com\nbad.co.uk\nblog.blogspot.com\n" },
  );
  assert.equal(judge("http://bad.com/"), "domain: bad.com");
  assert.equal(judge("http://x.y.bad.com/"), "domain: bad.com");
  assert.equal(judge("http://notbad.com/"), "keep");
  assert.equal(judge("http://bad.com.example.org/"), "keep");
  assert.equal(judge("http://x.worse.com/"), "subdomain: x.worse.com");
  assert.equal(judge("http://a.x.worse.com/"), "subdomain: x.worse.com");
  assert.equal(judge("http://worse.com/"), "keep");
  assert.equal(judge("http://www.bad.co.uk/"), "domain: bad.co.uk");
  assert.equal(judge("http://good.co.uk/"), "keep");
  assert.equal(judge("http://blog.blogspot.com/"), "subdomain: blog.blogspot.com");
  assert.equal(judge("http://other.blogspot.com/"), "keep");
});

test("a bare public suffix on a list blocks nothing below it", async () => {
  const judge = await judgeOf({ domains: ["l"] }, { l: "co.uk\ncom\n" });
  assert.equal(judge("http://good.co.uk/"), "keep");
  assert.equal(judge("http://good.com/"), "keep");
});

test("the same host in any spelling", async () => {
  const judge = await judgeOf(
    { domains: ["l"] },
    {
      l: "bad.com\nbücher.example\n10.0.0.1\n*.wild.org\n.dotted.org\nhttps://scheme.org/path\nUPPER.ORG.\n",
    },
  );
  for (const url of [
    "HTTP://BAD.COM/",
    "http://bad.com./",
    "http://user:pass@bad.com:8080/x",
    "bad.com/x",
    "//bad.com/x",
    "https://b%61d.com/",
    "  http://bad.com/  ",
  ])
    assert.equal(judge(url), "domain: bad.com", url);
  for (const url of [
    "http://bücher.example/",
    "http://xn--bcher-kva.example/",
    "http://B%C3%BCcher.example/",
  ])
    assert.equal(judge(url), "domain: xn--bcher-kva.example", url);
  for (const url of ["http://10.0.0.1/", "http://0x0a000001/", "http://167772161/"])
    assert.equal(judge(url), "domain: 10.0.0.1", url);
  assert.deepEqual(
    ["http://a.wild.org/", "http://dotted.org/", "http://scheme.org/other", "http://upper.org/"].map(judge),
    ["domain: wild.org", "domain: dotted.org", "domain: scheme.org", "domain: upper.org"],
  );
});

test("a page without a URL is dropped with that reason, an unreadable URL is judged by its words", async () => {
  const judge = await judgeOf({ hardWords: ["w"] }, { w: "forbidden" });
  assert.deepEqual([null, "", "   "].map(judge), ["no-url: ", "no-url: ", "no-url: "]);
  assert.equal(judge("http://[broken/forbidden"), "hard-word: forbidden");
  assert.equal(judge("http://[broken/fine"), "keep");
});

test("single URLs, whatever scheme, case of the host, port, fragment and last slash", async () => {
  const judge = await judgeOf(
    { urls: ["l"] },
    { l: "http://www.a.org/Page/\nb.org/x?y=1\nhttps://c.org:8443/p\n" },
  );
  for (const url of [
    "http://www.a.org/Page/",
    "https://WWW.A.org/Page",
    "http://www.a.org:80/Page#top",
    "http://www.a.org/P%61ge",
  ])
    assert.equal(judge(url), "url: www.a.org/Page", url);
  for (const url of [
    "http://www.a.org/page",
    "http://a.org/Page",
    "http://www.a.org/Page/sub",
    "http://www.a.org/",
    "http://b.org/x",
    "http://b.org/x?y=2",
    "https://c.org/p",
  ])
    assert.equal(judge(url), "keep", url);
  assert.equal(judge("https://b.org/x?y=1"), "url: b.org/x?y=1");
  assert.equal(judge("https://c.org:8443/p/"), "url: c.org:8443/p");
});

test("verbatim compares as datatrove does: case, scheme and slash count, and words are not folded", async () => {
  const files = { d: "bad.com", u: "http://a.org/x", w: "Evil!" };
  const judge = await judgeOf({ domains: ["d"], urls: ["u"], hardWords: ["w"], match: "verbatim" }, files);
  assert.equal(judge("http://www.bad.com/"), "domain: bad.com");
  assert.equal(judge("http://user@bad.com:80/"), "domain: bad.com");
  assert.equal(judge("http://a.org/x"), "url: http://a.org/x");
  assert.deepEqual(["https://a.org/x", "http://a.org/x/", "http://x.org/EVIL/"].map(judge), [
    "keep",
    "keep",
    "keep",
  ]);
  assert.equal(judge("http://x.org/evil/"), "hard-word: evil");
  const folded = await judgeOf({ hardWords: ["w"] }, files);
  assert.equal(folded("http://x.org/EVIL/"), "hard-word: evil");
  assert.equal(folded("http://x.org/%65vil"), "hard-word: evil");
});

test("one hard word is enough, of soft words two different ones", async () => {
  const judge = await judgeOf({ hardWords: ["h"], softWords: ["s"] }, { h: "hard", s: "soft\nweich\nmou" });
  assert.equal(judge("http://hard.org/"), "hard-word: hard");
  assert.equal(judge("http://x.org/a-hard-page"), "hard-word: hard");
  assert.equal(judge("http://harder.org/hardly"), "keep");
  assert.equal(judge("http://soft.org/soft/soft"), "keep");
  assert.equal(judge("http://soft.org/weich"), "soft-words: soft, weich");
  const three = await judgeOf({ softWords: ["s"], minSoftWords: 3 }, { s: "soft\nweich\nmou" });
  assert.deepEqual(["http://soft.org/weich", "http://soft.org/weich?mou"].map(three), [
    "keep",
    "soft-words: soft, weich, mou",
  ]);
});

test("substrings count across separators, and the entry that fired is named", async () => {
  const judge = await judgeOf({ subwords: ["l"] }, { l: "two girls\ncock pit stop\nsex\n" });
  assert.equal(judge("http://x.org/two-girls-laughing"), "subword: twogirls");
  assert.equal(judge("http://essex.ac.uk/"), "subword: sex");
  assert.equal(judge("http://x.org/cockpit"), "keep");
  assert.equal(judge("http://x.org/cockpit/stop"), "subword: cockpitstop");
});

test("the own words spare places and ordinary words that hold them", async () => {
  const judge = await judgeOf(defaults(urlFilter.options));
  for (const url of [
    "https://www.essex.ac.uk/scunthorpe/middlesex",
    "https://example.org/data-analysis/cockpit",
    "https://www.pornic.fr/",
    "https://example.org/adult-education",
    "https://example.org/sex-chromosomes",
    "https://museum.example/naked-mole-rat",
    "https://example.org/casino-royale-review",
  ])
    assert.equal(judge(url), "keep", url);
  assert.equal(judge("https://example.org/XXX/"), "hard-word: xxx");
  assert.equal(judge("https://example.org/nude-webcam"), "soft-words: nude, webcam");
});

test("FineWeb's order: the first hit is the reason", async () => {
  const files = {
    d: "bad.com\nx.bad.com",
    u: "http://x.bad.com/hard",
    h: "hard",
    s: "soft\nweich",
    w: "run",
  };
  const all = { domains: ["d"], urls: ["u"], hardWords: ["h"], softWords: ["s"], subwords: ["w"] };
  const url = "http://x.bad.com/hard";
  assert.equal((await judgeOf(all, files))(url), "domain: bad.com");
  assert.equal((await judgeOf(all, { ...files, d: "x.bad.com" }))(url), "subdomain: x.bad.com");
  assert.equal((await judgeOf({ ...all, domains: [] }, files))(url), "url: x.bad.com/hard");
  assert.equal((await judgeOf({ ...all, domains: [], urls: [] }, files))(url), "hard-word: hard");
});

test("list files: CRLF, marks, comments, blank lines, hosts files, gzip", async () => {
  const plain = "\ufeff# A comment\r\n\r\n  bad.com  \r\nworse.org # trailing\r\n! another\r\n   \r\n";
  const hosts =
    "127.0.0.1 localhost\n::1 localhost\n255.255.255.255 broadcasthost\n0.0.0.0 ads.com  tracker.net # both\n127.0.0.1\tspam.org\n";
  for (const [name, content] of [
    ["plain", plain],
    ["zipped", gzipSync(plain)],
  ] as const) {
    const judge = await judgeOf(
      { domains: [name], hardWords: [name], subwords: [name] },
      { [name]: content },
    );
    assert.equal(judge("http://bad.com/"), "domain: bad.com");
    assert.equal(judge("http://worse.org/"), "domain: worse.org");
    // A blank line that became an entry would match everything.
    assert.equal(judge("http://fine.org/"), "keep");
    assert.equal(judge("http://comment.org/trailing"), "keep");
  }
  const judge = await judgeOf({ domains: ["hosts"] }, { hosts });
  assert.deepEqual(
    [
      "http://ads.com/",
      "http://tracker.net/",
      "http://spam.org/",
      "http://localhost/",
      "http://0.0.0.0/",
      "http://127.0.0.1/",
    ].map(judge),
    ["domain: ads.com", "domain: tracker.net", "domain: spam.org", "keep", "keep", "keep"],
  );
  await assert.rejects(
    judgeOf({ domains: ["cut"] }, { cut: gzipSync(plain).subarray(0, 20) }),
    (error: Error) => error instanceof UserError && /^cannot read cut: damaged gzip: /.test(error.message),
  );
});

function tar(entries: Readonly<Record<string, string>>): Buffer {
  const blocks = Object.entries(entries).flatMap(([name, content]) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(Buffer.byteLength(content).toString(8).padStart(11, "0"), 124);
    header.write("0", 156);
    const body = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512);
    body.write(content);
    return [header, body];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

test("UT1 categories: a folder, a folder without urls, an archive", async () => {
  const folder = {
    "ut1/adult/domains": "bad.com\n",
    "ut1/adult/urls": "a.org/x\n",
    "ut1/small/domains": "small.org\n",
  };
  const archive = tar({ "adult/domains": "bad.com\n", "adult/usage": "black", "adult/urls": "a.org/x\n" });
  for (const [ut1, files] of [
    [["ut1/adult/", "ut1/small"], folder],
    [["adult.tar.gz"], { "adult.tar.gz": gzipSync(archive) }],
    [["adult.tar"], { "adult.tar": archive }],
  ] as const) {
    const judge = await judgeOf({ ut1 }, files);
    assert.deepEqual(["http://bad.com/", "http://a.org/x", "http://fine.org/"].map(judge), [
      "domain: bad.com",
      "url: a.org/x",
      "keep",
    ]);
  }
  for (const [path, files] of [
    ["nothing", {}],
    ["empty.tar", { "empty.tar": tar({ readme: "x" }) }],
  ] as const) {
    await assert.rejects(judgeOf({ ut1: [path] }, files), (error: Error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.message, `url-filter.ut1: cannot read ${path}: it holds neither domains nor urls`);
      assert.match(error.hint!, /Name a category's folder/);
      return true;
    });
  }
});

test("a missing list is the user's mistake, named", async () => {
  await assert.rejects(judgeOf({ domains: ["no-such-list.txt"] }), /cannot read no-such-list\.txt/);
});

test("a set of strings holds what was added and nothing else, two million strong", () => {
  const set = createStringSet();
  const name = (i: number) => `host-${(i * 7919) % 1000003}.${i % 97}.example`;
  for (let i = 0; i < 400_000; i++) set.add(name(i));
  for (let i = 0; i < 400_000; i += 7) assert.ok(set.has(name(i)));
  assert.equal(set.size, new Set(Array.from({ length: 400_000 }, (_, i) => name(i))).size);
  let wrong = 0;
  for (let i = 0; i < 400_000; i++) if (set.has(`${name(i)}.net`)) wrong++;
  assert.equal(wrong, 0);
  assert.equal(set.has(""), false);
});

test("no two of UT1's domains fall together in the set", t => {
  const path = sharedPath(t, "oracle/blocklist-domains.txt");
  if (path === null) return;
  const domains = readFileSync(path, "utf8").trim().split("\n");
  const set = createStringSet();
  for (const domain of domains) set.add(domain);
  assert.equal(set.size, new Set(domains).size);
});

test("the first of many words in a text, short ones too", () => {
  const find = openSubstrings(["abc", "abcd", "x", "", "yz", "abc"]);
  assert.deepEqual(["zzabcdzz", "x", "ayzb", "ab", ""].map(find), ["abc", "x", "yz", null, null]);
});

test("an address has its host, its domains and what can be read", () => {
  assert.deepEqual(parseAddress("https://User:Pw@WWW.Example.CO.UK.:443/A%20b//?q=%C3%A9#f"), {
    host: "www.example.co.uk",
    domains: ["www.example.co.uk", "example.co.uk"],
    key: "www.example.co.uk/A b?q=é",
    readable: "www.example.co.uk/a b//?q=é#f",
  });
  assert.equal(parseAddress("http://["), null);
});

test("the same decisions as datatrove 0.10 on the shared crawl, verbatim and normalised", async t => {
  type Row = { readonly url: string; readonly outcome: string; readonly reason: string | null };
  const rows = sharedLines<Row>(t, "oracle/datatrove.jsonl.gz");
  const assets = sharedPath(t, "blocklists/datatrove/src/datatrove/assets");
  if (rows === null || assets === null) return;
  const listed: readonly Row[] = rows;
  const shared = join(packageRoot, "..", "shared", "data", "oracle");
  const given = {
    domains: [join(shared, "blocklist-domains.txt")],
    urls: [join(shared, "blocklist-urls.txt")],
    hardWords: [join(assets, "banned_words.txt")],
    softWords: [join(assets, "soft_banned_words.txt")],
    subwords: [join(assets, "banned_subwords.txt")],
  };
  const names: Record<string, string> = {
    hard_blacklisted: "hard-word",
    soft_blacklisted: "soft-words",
    blacklisted_subword: "subword",
  };
  for (const match of ["verbatim", "normalised"] as const) {
    const judge: Judge = await urlFilter.build(
      { ...defaults(urlFilter.options), ...given, match },
      { load: async path => readFileSync(path), seed: 1 },
    );
    for (const row of listed) {
      const { url, outcome, reason } = row;
      const verdict = judge({ url } as Document);
      const wanted: string | null = outcome === "1_url" ? (names[reason!] ?? reason) : null;
      assert.equal("drop" in verdict ? verdict.drop : null, wanted, `${match} ${url}`);
    }
  }
});

test("of UT1's archive of all categories one is named; without a name it is refused", async t => {
  const path = sharedPath(t, "blocklists/ut1-blacklists.tar.gz");
  if (path === null) return;
  const files = { "ut1.tar.gz": readFileSync(path) };
  const judge = await judgeOf({ ut1: ["ut1.tar.gz#gambling"] }, files);
  assert.equal(judge("https://en.wikipedia.org/wiki/Essex"), "keep");
  await assert.rejects(judgeOf({ ut1: ["ut1.tar.gz"] }, files), (error: Error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /^url-filter\.ut1: ut1\.tar\.gz holds \d+ categories: .*gambling/);
    assert.match(error.hint!, /^Name the ones you mean: ut1\.tar\.gz#/);
    return true;
  });
  await assert.rejects(
    judgeOf({ ut1: ["ut1.tar.gz#gamblin"] }, files),
    /^UserError: url-filter\.ut1: ut1\.tar\.gz has no category gamblin$/,
  );
});
