/**
 * The rules of the house that reading cannot enforce: which room may import which, what a stage may not touch, how
 * long a file may be.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../lib/package-root.ts";

const rooms = [
  "lib",
  "pipeline",
  "tokenizer",
  "trainer",
  "kernels",
  "cli",
  "studio",
  "bench",
  "fixtures",
  "test",
] as const;
type Room = (typeof rooms)[number];

const arrows: Readonly<Record<Room, readonly Room[]>> = {
  lib: [],
  pipeline: ["lib"],
  tokenizer: ["lib"],
  kernels: ["lib"],
  trainer: ["lib", "kernels", "tokenizer"],
  cli: ["lib", "pipeline", "tokenizer", "trainer", "kernels", "studio"],
  studio: ["lib", "pipeline", "tokenizer", "trainer", "kernels"],
  bench: ["lib", "pipeline", "tokenizer", "trainer", "kernels", "cli", "studio"],
  fixtures: ["lib"],
  test: [...rooms],
};

type Source = { readonly path: string; readonly room: Room; readonly text: string };

const sources: Source[] = rooms.flatMap(room => {
  let names: string[];
  try {
    names = readdirSync(join(packageRoot, room), { recursive: true, encoding: "utf8" });
  } catch {
    return [];
  }
  return names
    .filter(
      name =>
        /\.(ts|tsx|wgsl)$/.test(name) && !name.includes("node_modules") && !name.includes("kernels/wasm/"),
    )
    .map(name => ({
      path: `${room}/${name}`,
      room,
      text: readFileSync(join(packageRoot, room, name), "utf8"),
    }));
});

function imports(text: string): string[] {
  const found = text.matchAll(/(?:from\s+|import\s*\(\s*|import\s+)"([^"]+)"/g);
  return [...found].map(match => match[1]!);
}

test("there are sources to read in every room that the package needs", () => {
  for (const room of ["lib", "pipeline", "tokenizer", "trainer", "kernels", "cli", "test"]) {
    assert.ok(
      sources.some(source => source.room === room),
      `no sources in ${room}/`,
    );
  }
});

test("every import follows the arrows between rooms", () => {
  const wrong: string[] = [];
  for (const { path, room, text } of sources) {
    for (const target of imports(text)) {
      if (!target.startsWith(".")) continue;
      const resolved = join(path, "..", target);
      const to = resolved.split("/")[0] as Room;
      if (to !== room && rooms.includes(to) && !arrows[room].includes(to))
        wrong.push(`${path} imports ${resolved}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/** What is loaded with a file: imports of values, without those made when something is called. */
function loaded(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  const { text } = sources.find(source => source.path === path)!;
  for (const [, target = ""] of text.matchAll(
    /^(?:import|export) (?!type\b)(?:[^"';]*? from )?"([^"]+)"/gm,
  )) {
    if (target.startsWith(".")) loaded(join(path, "..", target), seen);
    else if (!target.startsWith("node:")) seen.add(target);
  }
  return seen;
}

test("help of a command loads its declaration, and none of what it works with", () => {
  const commands = sources.filter(({ room, text }) => room === "cli" && /= command\(\{/.test(text));
  assert.ok(commands.length >= 19, `${commands.length} commands`);
  for (const { path } of [...commands, { path: "cli/main.ts" }]) {
    const files = [...loaded(path)];
    // Names of patterns and rules are the tokenizer's own.
    assert.deepEqual(
      files.filter(
        file => !/^(?:cli|lib)\/|^tokenizer\/(?:pretokenizer|training\/training|unicode|classes)/.test(file),
      ),
      [],
      path,
    );
    assert.ok(files.length <= 12, `${path} loads ${files.length} files`);
  }
});

test("the trainer uses nothing of the tokenizer but its shard reader", () => {
  const wrong = sources
    .filter(source => source.room === "trainer")
    .flatMap(({ path, text }) => imports(text).map(target => ({ path, target: join(path, "..", target) })))
    .filter(({ target }) => target.startsWith("tokenizer/") && !target.startsWith("tokenizer/shards/"));
  assert.deepEqual(wrong, []);
});

test("lib imports only Node's modules, itself and declared packages, and serves at least two rooms", () => {
  for (const { path } of sources.filter(source => source.room === "lib")) {
    const users = new Set(
      sources
        .filter(({ path: from, text }) => imports(text).some(target => join(from, "..", target) === path))
        .map(source => source.room),
    );
    users.delete("test");
    assert.ok(
      users.size >= 2 || (users.size === 1 && users.has("lib")),
      `${path} is used by ${[...users].join(", ") || "nobody"}`,
    );
  }
});

test("no stage touches files, the clock, unseeded randomness or the console", () => {
  const stages = sources.filter(({ path }) => /^pipeline\/(filters|extractors|formatters)\//.test(path));
  assert.ok(stages.length > 0);
  const forbidden =
    /\bfrom "(node:)?fs(\/promises)?"|\bnew Date\b|\bDate\.now\b|\bMath\.random\b|\bconsole\.|\bperformance\.now\b|\bprocess\.(?!versions)/;
  assert.deepEqual(
    stages
      .filter(({ text }) => forbidden.test(text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")))
      .map(({ path }) => path),
    [],
  );
});

test("nothing outside cli, studio, bench and fixtures prints or exits", () => {
  const quiet = sources.filter(
    ({ room, path }) =>
      ["lib", "pipeline", "tokenizer", "trainer", "kernels"].includes(room) &&
      // Build steps, and the probe, whose printing is that of a process of its own.
      !/\/(assets|generate-[\w-]+|probe)\.ts$/.test(path),
  );
  const wrong = quiet.filter(({ text }) =>
    /\bconsole\.\w+\(|\bprocess\.exit\(|\bprocess\.std(out|err)\.write/.test(
      text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ""),
    ),
  );
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test("Math.random is used nowhere", () => {
  const own = "test/architecture.test.ts";
  assert.deepEqual(
    sources
      .filter(({ path, text }) => path !== own && /\bMath\.random\s*\(/.test(text))
      .map(({ path }) => path),
    [],
  );
});

test("no file is longer than 600 lines, generated ones excepted", () => {
  const long = sources.filter(({ path, text }) => !path.includes(".gen.") && text.split("\n").length > 600);
  assert.deepEqual(
    long.map(({ path }) => path),
    [],
  );
});

test("every source begins with a comment that says what it is", () => {
  const bare = sources.filter(
    ({ path, text }) => !path.includes(".gen.") && !/^(#!.*\n)?\s*(\/\*\*|\/\/)/.test(text),
  );
  assert.deepEqual(
    bare.map(({ path }) => path),
    [],
  );
});

test("no file or folder is called utils, helpers or common", () => {
  const vague = sources.filter(({ path }) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.)/.test(path));
  assert.deepEqual(
    vague.map(({ path }) => path),
    [],
  );
});
