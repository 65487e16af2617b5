/** A crawl of hostile pages through the real command: nothing runs, nothing is asked of the network, names stay ours. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { harmless, printable } from "../../cli/terminal.ts";
import { packageRoot } from "../../lib/package-root.ts";
import { isCleanPath } from "../../pipeline/fetch/addresses.ts";
import { article, curate, temporary, warc } from "./curate.ts";

const sequences = "\u001b]0;owned\u0007\u001b[2J\u009b31m\u202egnp.exe\r";
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** Ten stories; the first says and asks for everything it should not. */
function hostileCrawl(port: number, marker: string) {
  const url = `http://127.0.0.1:${port}/`;
  const script = `require("fs").writeFileSync(${JSON.stringify(marker)},"x");fetch("${url}s")`;
  const inside = [
    `<script>${script}</script><script src="${url}a.js"></script><img src="${url}b.png" onerror='${script}'>`,
    `<iframe src="${url}c"></iframe><link rel="stylesheet" href="${url}d.css"><meta http-equiv="refresh" content="0;${url}e">`,
    `<svg onload='${script}'></svg><object data="${url}f"></object><video src="${url}g"></video><base href="${url}">`,
    `<p>Then ${sequences} she said &lt;script&gt;alert(1)&lt;/script&gt; and "quotes" and 'more', as people have always done.</p>`,
  ].join("");
  const title = `<title>${sequences}&lt;/title&gt;&lt;script&gt;alert(2)&lt;/script&gt;</title>`;
  const stories = Array.from({ length: 10 }, (_, i) => ({
    url: `https://stories.example/${i}`,
    html: article(i),
  }));
  const first = stories[0]!.html
    .replace(/<title>.*<\/title>/, title)
    .replace("<article>", `<article>${inside}`);
  stories[0] = { url: "https://stories.example/../../../etc/passwd?<script>alert(3)</script>", html: first };
  stories[1] = {
    url: "file:///etc/passwd",
    html: `<html><body><p>Too ${sequences} short.</p></body></html>`,
  };
  return stories;
}

test("a crawl of hostile pages: no script runs, no address is asked for, no name comes from a page, all output is escaped", async t => {
  let asked = 0;
  const server = createServer(socket => {
    asked++;
    socket.destroy();
  });
  await new Promise<void>(ready => server.listen(0, "127.0.0.1", ready));
  t.after(() => server.close());
  const dir = temporary("hostile");
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const marker = join(dir, "ran");
  const pages = hostileCrawl((server.address() as AddressInfo).port, marker);
  writeFileSync(join(dir, "crawl.warc.gz"), warc(pages));
  for (const engine of ["main-content", "readability", "full-text"]) {
    const recipe = `name: hostile\nworkdir: ${engine}\nkeepRejected: all\nsource: { warc: ["crawl.warc.gz"] }\nstages:\n  - extract: { engine: ${engine} }\n  - gopher-quality\n  - minhash: { buckets: 1 }\n`;
    writeFileSync(join(dir, `${engine}.yaml`), recipe);
    const { code, stderr } = await curate(["run", `${engine}.yaml`], { cwd: dir });
    assert.equal(code, 0, stderr);
    assert.ok(!control.test(stderr), JSON.stringify(stderr));
    for (const name of readdirSync(join(dir, engine), { recursive: true, encoding: "utf8" }))
      assert.ok(isCleanPath(name), `${name} in ${engine}`);
  }
  assert.deepEqual(readdirSync(dir).sort(), [
    "crawl.warc.gz",
    "full-text",
    "full-text.yaml",
    "main-content",
    "main-content.yaml",
    "readability",
    "readability.yaml",
  ]);

  const show = (args: readonly string[]) => curate([...args, "--workdir", "main-content"], { cwd: dir });
  const shown = await Promise.all([
    show(["inspect", "gopher-quality", "--rejected", "--sample", "20"]),
    show(["inspect", "gopher-quality", "--kept", "--sample", "20"]),
    show(["explain", pages[0]!.url]),
    show(["explain", pages[1]!.url]),
    show(["inspect", "gopher-quality", "--kept", "--sample", "20", "--json"]),
  ]);
  for (const { stdout, stderr } of shown)
    assert.ok(!control.test(stdout + stderr), JSON.stringify(stdout + stderr));
  assert.match(shown[1]!.stdout, /she said <script>alert\(1\)<\/script> and "quotes"/);
  for (const line of shown[4]!.stdout.trim().split("\n")) JSON.parse(line);

  const report = await curate(["report", "main-content"], { cwd: dir });
  assert.equal(report.code, 0, report.stderr);
  for (const name of ["report.html", "DATASET_CARD.md"]) {
    const text = readFileSync(join(dir, "main-content", name), "utf8");
    assert.ok(!/<script[^>]*>\s*(?:alert|require)/i.test(text) && !control.test(text), name);
    assert.ok(!/(?:src|href)="?http:\/\/127\.0\.0\.1/.test(text), name);
  }
  assert.equal(asked, 0);
  assert.ok(!existsSync(marker));
});

test("a terminal is sent our colours, tabs and line ends; every other control character becomes visible", () => {
  assert.equal(harmless("\u001b[1mbold\u001b[22m\tx\n"), "\u001b[1mbold\u001b[22m\tx\n");
  assert.equal(
    harmless("a\u001b]0;t\u0007b\u001b[2Jc\rd\u009be\u202ef\0"),
    "a\\u{1b}]0;t\\u{7}b\\u{1b}[2Jc\\u{d}d\\u{9b}e\\u{202e}f\\u{0}",
  );
  assert.equal(printable("\u001b[1m\u2066x"), "\\u{1b}[1m\\u{2066}x");
});

test("the list of dependencies names the packages of package.json, and no others", () => {
  const text = readFileSync(join(packageRoot, "docs", "dependencies.md"), "utf8");
  const cells = [...text.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell = ""]) => [
    ...cell.matchAll(/`([^`]+)`/g),
  ]);
  const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
  const { dependencies, optionalDependencies, devDependencies } = manifest;
  assert.deepEqual(
    cells.map(([, name]) => name).sort(),
    Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }).sort(),
  );
});

test("every threat that docs/security.md names has a defence and tests that are there", () => {
  const text = readFileSync(join(packageRoot, "docs", "security.md"), "utf8");
  const rows = [...text.matchAll(/^\| (.+) \| (.+) \| (.+) \|$/gm)].slice(1);
  assert.ok(rows.length >= 20, `${rows.length} threats`);
  for (const [, threat, , tests = ""] of rows) {
    const files = [...tests.matchAll(/`(test\/[^`]+\.test\.ts)`/g)].map(([, file]) => file!);
    assert.ok(files.length > 0, `${threat}: no test`);
    for (const file of files) assert.match(readFileSync(join(packageRoot, file), "utf8"), /\btest\(/, file);
  }
});

test("dependencies are exact, have checksums, and one of them alone runs a script when it is installed", () => {
  const read = (name: string) => JSON.parse(readFileSync(join(packageRoot, name), "utf8"));
  const manifest = read("package.json") as Record<string, Record<string, string>>;
  const listed = readFileSync(join(packageRoot, "docs", "dependencies.md"), "utf8");
  for (const kind of ["dependencies", "optionalDependencies", "devDependencies"])
    for (const [name, version] of Object.entries(manifest[kind]!)) {
      assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, `${name} ${version}`);
      assert.ok(listed.includes(`\`${name}\``), `${name} is not in docs/dependencies.md`);
    }
  const { packages } = read("package-lock.json") as {
    packages: Record<string, { hasInstallScript?: boolean; integrity?: string }>;
  };
  const installed = Object.entries(packages).filter(([path]) => path !== "");
  assert.deepEqual(
    installed.filter(([, { integrity }]) => !integrity),
    [],
  );
  assert.deepEqual(
    installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path),
    ["node_modules/webgpu"],
  );
  assert.deepEqual(manifest["allowScripts"], { webgpu: false });
});
