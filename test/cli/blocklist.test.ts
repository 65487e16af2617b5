/** `curate blocklist`: lists of every kind from a host on this machine, pinned, restored, refused when they change. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { checkLists, fetchLists, recipeOf, type Wanted } from "../../cli/fetch-lists.ts";
import { UserError } from "../../lib/errors.ts";
import { defaults } from "../../lib/options.ts";
import type { Document } from "../../pipeline/document.ts";
import { describeList } from "../../pipeline/filters/url/describe.ts";
import { urlFilter } from "../../pipeline/filters/url-filter.ts";
import { type Host, startHost } from "../pipeline/fetch/server.ts";
import { curate, temporary } from "./curate.ts";

/** A tar archive of one regular file a name. */
function tar(files: Readonly<Record<string, string>>): Buffer {
  const blocks = Object.entries(files).flatMap(([name, text]) => {
    const head = Buffer.alloc(512);
    head.write(name, 0);
    head.write("0000644\0", 100);
    head.write(`${Buffer.byteLength(text).toString(8).padStart(11, "0")}\0`, 124);
    head.write("        ", 148);
    head.write("0ustar\0", 156);
    head.write("ustar\x0000", 257);
    head.write(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    const body = Buffer.alloc(Math.ceil(Buffer.byteLength(text) / 512) * 512);
    body.write(text);
    return [head, body];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

const files = new Map<string, Buffer>([
  ["plain.txt", Buffer.from("# ours\nbad.example\nworse.example\n\n")],
  ["hosts", Buffer.from("127.0.0.1 localhost\n0.0.0.0 ads.example tracker.example\n")],
  ["pages.txt.gz", gzipSync("http://news.example/a\nnews.example/b/c\n")],
  ["words.txt", Buffer.from("casino\npoker\n")],
  ["one.tar.gz", gzipSync(tar({ "adult/domains": "naked.example\n", "adult/urls": "x.example/y\n" }))],
  ["two.tar.gz", gzipSync(tar({ "b/adult/domains": "naked.example\n", "b/bank/domains": "bank.example\n" }))],
  ["page.html", Buffer.from("<!DOCTYPE html><title>Moved</title>")],
  ["blank.txt", Buffer.from("# nothing\n\n")],
]);
const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

let host: Host;
before(async () => {
  host = await startHost(files);
});
after(() => host.close());

const silent = () => {};
/** Fetches files of the host by name. */
const fetched = (folder: string, names: readonly string[], more: Partial<Wanted> = {}) =>
  fetchLists({ folder, urls: names.map(name => `${host.base}/${name}`), update: false, ...more }, silent);
const says = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UserError, String(error));
  assert.match(`${error.message}\n${error.hint ?? ""}`, message);
  return true;
};

type PinFile = {
  lists: { file: string; sha256: string; use: string; entries: number; categories: string[] }[];
};
const pinsIn = (folder: string): PinFile["lists"] =>
  (JSON.parse(readFileSync(join(folder, "pins.json"), "utf8")) as PinFile).lists;

test("lists of every kind are fetched and pinned, and the recipe's lines printed for them make the filter drop", async () => {
  const folder = temporary("lists");
  const names = ["plain.txt", "hosts", "pages.txt.gz", "words.txt", "one.tar.gz"];
  const { code, stdout, stderr } = await curate([
    "blocklist",
    "fetch",
    ...names.map(name => `${host.base}/${name}`),
    "--to",
    folder,
  ]);
  assert.equal(code, 0, stderr);
  const pins = pinsIn(folder);
  assert.deepEqual(
    pins.map(({ file, use, entries }) => [file, use, entries]),
    [
      ["hosts", "domains", 2],
      ["one.tar.gz", "ut1", 2],
      ["pages.txt.gz", "urls", 2],
      ["plain.txt", "domains", 2],
      ["words.txt", "words", 2],
    ],
  );
  for (const pin of pins) {
    assert.equal(pin.sha256, sha256(files.get(pin.file)!));
    assert.deepEqual(readFileSync(join(folder, pin.file)), files.get(pin.file));
  }
  const lines = stdout.trim().split("\n");
  assert.equal(lines[0], "- url-filter:");
  const given = Object.fromEntries(
    lines.slice(1).map(line => {
      const [, option, paths] = /^ +(\w+): (\[.*\])$/.exec(line)!;
      return [option, JSON.parse(paths!) as string[]];
    }),
  );
  const judge = await urlFilter.build(
    { ...defaults(urlFilter.options), ...given },
    { load: async path => readFileSync(path), seed: 1 },
  );
  for (const url of [
    "https://www.bad.example/",
    "http://tracker.example/x",
    "https://news.example/b/c",
    "http://x.example/casino/night",
    "http://naked.example/",
    "http://x.example/y",
  ])
    assert.ok("drop" in judge({ url } as Document), `${url} is kept`);
  assert.ok("keep" in judge({ url: "http://news.example/other" } as Document));
});

test("an archive of several UT1 categories is named in the recipe with each of them", async () => {
  const folder = temporary("lists");
  const recipe = recipeOf(folder, await fetched(folder, ["two.tar.gz"]));
  assert.match(recipe, /ut1: \["[^"]*two\.tar\.gz#adult","[^"]*two\.tar\.gz#bank"\]/);
  assert.deepEqual(pinsIn(folder)[0]!.categories, ["adult", "bank"]);
});

test("fetch alone restores what is missing or damaged, asks for nothing that is whole, and check tells them apart", async () => {
  const folder = temporary("lists");
  await fetched(folder, ["plain.txt", "hosts", "words.txt"]);
  rmSync(join(folder, "plain.txt"));
  writeFileSync(join(folder, "hosts"), "0.0.0.0 other.example\n");
  assert.deepEqual(
    checkLists(folder).map(([path, found]) => [path!.slice(folder.length + 1), found]),
    [
      ["hosts", "changed"],
      ["plain.txt", "missing"],
      ["words.txt", "as pinned"],
    ],
  );
  const bad = await curate(["blocklist", "check", "--to", folder]);
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /hosts +changed/);
  assert.match(bad.stderr, /2 of 3 differ/);
  host.asked.length = 0;
  await fetched(folder, []);
  assert.deepEqual(host.asked.map(({ path }) => path).sort(), ["hosts", "plain.txt"]);
  assert.ok(checkLists(folder).every(([, found]) => found === "as pinned"));
});

test("a list that changed at its source is refused, nothing changed, and taken with --update", async () => {
  const folder = temporary("lists");
  const changing = { data: Buffer.from("one.example\n"), etag: null };
  host.files.set("changing.txt", changing);
  await fetched(folder, ["changing.txt"]);
  changing.data = Buffer.from("one.example\ntwo.example\n");
  rmSync(join(folder, "changing.txt"));
  const before = readFileSync(join(folder, "pins.json"), "utf8");
  await assert.rejects(
    fetched(folder, []),
    says(/is not the pinned list any more: expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}\n.*--update/),
  );
  assert.ok(!existsSync(join(folder, "changing.txt")));
  assert.equal(readFileSync(join(folder, "pins.json"), "utf8"), before);
  await fetched(folder, ["changing.txt"], { update: true });
  assert.equal(pinsIn(folder)[0]!.sha256, sha256(changing.data));
  assert.equal(pinsIn(folder)[0]!.entries, 2);
});

test("a hash given beforehand must be the list's", async () => {
  const folder = temporary("lists");
  await assert.rejects(
    fetched(folder, ["plain.txt"], { sha256: "0".repeat(64) }),
    says(/expected sha256 0{64}/),
  );
  assert.deepEqual(readdirSync(folder), []);
  await fetched(folder, ["plain.txt"], { sha256: sha256(files.get("plain.txt")!).toUpperCase() });
});

test("a name is given by --as, and one name never stands for two lists", async () => {
  const folder = temporary("lists");
  await fetched(folder, ["plain.txt"], { as: "mine.txt" });
  assert.deepEqual(readdirSync(folder).sort(), ["mine.txt", "pins.json"]);
  await assert.rejects(
    fetched(folder, ["hosts"], { as: "mine.txt" }),
    says(/mine\.txt is pinned to .*plain\.txt/),
  );
  await assert.rejects(
    fetched(folder, ["plain.txt?a", "plain.txt?b"]),
    says(/two lists would be named plain\.txt/),
  );
});

test("a page, an empty list and a missing file leave nothing behind; a host in trouble is asked again", async () => {
  const folder = temporary("lists");
  await assert.rejects(fetched(folder, ["page.html"]), says(/is a page, expected a list/));
  await assert.rejects(fetched(folder, ["blank.txt"]), says(/holds no entries/));
  await assert.rejects(fetched(folder, ["absent.txt"]), says(/got the answer 404/));
  assert.deepEqual(readdirSync(folder), []);
  host.faults.set("plain.txt", [
    { kind: "status", status: 503, headers: { "retry-after": "0" } },
    { kind: "reset", after: 5 },
    { kind: "redirect" },
  ]);
  await fetched(folder, ["plain.txt"]);
  assert.deepEqual(readFileSync(join(folder, "plain.txt")), files.get("plain.txt"));
});

test("what the user can get wrong is said in words", async () => {
  const folder = temporary("lists");
  await assert.rejects(fetched(folder, []), says(/nothing is pinned in/));
  assert.throws(() => checkLists(folder), says(/nothing is pinned in/));
  await assert.rejects(
    fetched(folder, [], { urls: ["lists.example/x"] }),
    says(/expected the address of a list, got "lists\.example\/x"/),
  );
  await assert.rejects(fetched(folder, [""]), says(/"" is no name for a file.*\n.*--as NAME/));
  await assert.rejects(fetched(folder, ["a", "b"], { as: "c" }), says(/--as belongs to one list, got 2/));
  await assert.rejects(fetched(folder, ["a"], { sha256: "abc" }), says(/--sha256: expected 64 hexadecimal/));
  writeFileSync(join(folder, "pins.json"), "{}");
  assert.throws(() => checkLists(folder), says(/cannot read .*pins\.json/));
  const { code, stderr } = await curate(["blocklist", "get"]);
  assert.equal(code, 2);
  assert.match(stderr, /curate blocklist get: expected fetch or check/);
});

test("a list's kind follows from its content; a damaged archive is an error in words", () => {
  const kind = (data: string | Buffer) => describeList(Buffer.from(data), "x").use;
  assert.equal(kind("\ufeffbad.example\r\n\r\n# c\r\n"), "domains");
  assert.equal(kind("https://bad.example/\nhttps://worse.example/\n"), "domains");
  assert.equal(kind("https://bad.example/a\n"), "urls");
  assert.equal(kind("poker\nslots\n"), "words");
  assert.throws(() => describeList(gzipSync("bad.example\n".repeat(100)).subarray(0, 30), "x"), UserError);
  assert.throws(() => describeList(Buffer.from("PK\x03\x04\0\0"), "x"), /binary, expected a list/);
  assert.throws(() => describeList(tar({ "adult/domains": "\n" }), "x"), /categories without entries/);
});
