/**
 * The studio in a real Chromium, clicked through as a person would; what it shows is compared with the run's files.
 * With CURATE_SCREENSHOTS=1 the pictures of docs/studio.md are made anew.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { type Browser, chromium, type Page } from "playwright-core";
import { writeAtomic } from "../../lib/atomic.ts";
import { packageRoot } from "../../lib/package-root.ts";
import { emptyStats } from "../../pipeline/stats.ts";
import { serve } from "../../studio/server/app.ts";
import { openStudio, statsOf, workdir } from "./setting.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  existsSync,
);

type Opened = { readonly page: Page; readonly errors: string[]; go(hash: string): Promise<void> };

let browser: Browser | null = null;

async function open(
  t: TestContext,
  width = 1360,
  colorScheme: "light" | "dark" = "light",
  dir = "",
): Promise<Opened | null> {
  if (!executablePath) {
    assert.notEqual(process.env["CI"], "true", "no Chromium");
    t.skip("no Chromium on this machine");
    return null;
  }
  const studio = dir
    ? await serve({ workdir: dir, compare: [], port: 0, device: "cpu" })
    : await openStudio(t);
  if (!studio) return null;
  if (dir) t.after(() => studio.close());
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  t.after(() => browser?.close());
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  page.setDefaultTimeout(60_000);
  const errors: string[] = [];
  page.on("pageerror", error => errors.push(error.message));
  page.on("console", message => {
    // What the sandboxed frame refuses to load is said here too, and is as it should be.
    if (message.type() === "error" && !/sandboxed|Content Security Policy/.test(message.text()))
      errors.push(message.text());
  });
  t.after(() => assert.deepEqual(errors, []));
  await page.goto(studio.address);
  const go = async (hash: string) => {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  };
  return { page, errors, go };
}

async function picture(page: Page, name: string, quality = 66) {
  if (!process.env["CURATE_SCREENSHOTS"]) return;
  const path = join(packageRoot, "docs", "studio", `${name}.jpg`);
  await page.evaluate("document.activeElement?.blur()");
  await page.screenshot({ path, type: "jpeg", quality });
}

/** Of every chart: the share of its pixels that are as green as a curve. */
const drawn = `[...document.querySelectorAll(".uplot canvas")].map(canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let green = 0;
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 128 && data[i + 1] > data[i] + 40) green++;
  return green / (data.length / 4);
})`;

const grouped = (n: number) => n.toLocaleString("en-US");

test("the funnel shows every stage's count, and a stage its reasons", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page } = opened;
  await page.waitForSelector(".stage-row");
  const rows = await page.locator(".stage-row").allInnerTexts();
  for (const name of ["read", "language", "gopher-quality", "minhash"]) {
    const row = rows.find(text => text.startsWith(name))!;
    assert.match(row, new RegExp(`\\b${grouped(statsOf(name).out)}\\b`), name);
  }
  await page.locator(".stage-row", { hasText: "gopher-quality" }).click();
  await page.waitForSelector(".histogram");
  const detail = await page.locator(".detail").innerText();
  for (const [reason, n] of Object.entries(statsOf("gopher-quality").dropped))
    assert.match(detail, new RegExp(`${reason}\\s+${grouped(n)}`));
  await picture(page, "pipeline");
});

test("a threshold moved by key or mouse says how many more or fewer would be kept", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page, go } = opened;
  await go("#/pipeline?stage=gopher-quality");
  const slider = page.getByRole("slider", { name: "minWords: drops below" });
  await slider.focus();
  await page.keyboard.press("Shift+ArrowRight");
  const figure = page.locator(".histogram").filter({ hasText: "minWords" });
  await figure.getByText("pass").waitFor();
  assert.match(await figure.innerText(), /\(was 50\): 0 more kept, \d+ more dropped; \d+ of \d+ pass/);
  assert.match(await figure.locator("pre").innerText(), /^- gopher-quality:\s+minWords: \d+$/);
  await page.keyboard.press("Escape");
  await figure.getByText("pass").waitFor({ state: "detached" });
});

test("why a page was dropped is two clicks away, with its value against the threshold", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page, go } = opened;
  await go("#/pipeline?stage=gopher-quality");
  const [reason, n] = Object.entries(statsOf("gopher-quality").dropped).sort(([, a], [, b]) => b - a)[0]!;
  await page.locator(".detail a", { hasText: reason }).click();
  await page.waitForSelector(".document-list button");
  assert.equal(await page.locator(".document-list button").count(), Math.min(50, n));
  await page.locator(".document-list button").first().click();
  await page.waitForSelector("article");
  await page.getByText("dropped by gopher-quality").waitFor();
  assert.match(
    await page.locator("article").innerText(),
    new RegExp(`${reason} [\\d.]+ \\(threshold [\\d.]+\\)`),
  );
  assert.equal(await page.locator("iframe.original").getAttribute("sandbox"), "");
  await picture(page, "dropped");
});

test("documents are found by words of their text, kept and dropped, and shown beside their page", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page, go } = opened;
  await go("#/documents");
  await page.waitForSelector(".document-list button");
  for (const n of [1, 2]) {
    await page.keyboard.press("j");
    await page.locator(`.document-list li:nth-child(${n}) button[aria-pressed="true"]`).waitFor();
  }
  await page.locator(".document-list button").nth(2).click();
  await page.waitForSelector("article .page-text");
  await page.waitForTimeout(500);
  await picture(page, "documents", 42);
  const text = await page.locator("article .page-text").innerText();
  const words = text.split(/\s+/).slice(4, 9).join(" ");
  await page.getByPlaceholder("words of the text").fill(words);
  await page.keyboard.press("Enter");
  await page.locator(".document-list button").nth(9).waitFor({ state: "detached" });
  assert.ok((await page.locator(".document-list button").count()) >= 1);
  const path = join(workdir, "rejected", "gopher-quality", "part-00000.jsonl.gz");
  const dropped = JSON.parse(gunzipSync(readFileSync(path)).toString("utf8").split("\n", 1)[0]!) as {
    id: string;
    text: string;
  };
  const said = new URLSearchParams({
    state: "rejected",
    q: dropped.text.split(/\s+/).slice(0, 12).join(" "),
  });
  await go(`#/documents?${said}`);
  await page.getByText("the run kept the texts of 1.0 % only").waitFor();
  const said12 = dropped.text.split(/\s+/).slice(0, 12).join(" ");
  assert.equal(
    await page.locator(".document-list .found mark").first().innerText(),
    said12.slice(0, 160).trim(),
  );
  await page.locator(".document-list small", { hasText: "gopher-quality: " }).first().click();
  await page.getByText("dropped by gopher-quality").waitFor();
  assert.ok((await page.locator("article").innerText()).includes(dropped.id));
});

test("a name's tokens, their ids and the merges of a word are shown, and pointing links them", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page, go } = opened;
  await go("#/tokenizer");
  await page.getByLabel("Text to tokenize").fill("Rosalind Ashdown");
  await page
    .locator(".tokens", { hasText: /^Rosalind Ashdown$/ })
    .first()
    .waitFor();
  assert.equal(await page.locator(".vocabularies section").count(), 4);
  await page.locator(".ids span").first().hover();
  assert.equal(await page.locator(".token.lit").count(), 2);
  await page.getByLabel("show white space").check();
  assert.match((await page.locator(".tokens").first().textContent())!, /Rosalind·Ashdown/);
  await page.getByLabel("word").fill(" winter");
  await page.locator(".merge-steps", { hasText: "winter" }).first().waitFor();
  await picture(page, "tokenizer");
});

test("the curves end where metrics.jsonl ends, and every sample is in the timeline", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page, go } = opened;
  await go("#/training");
  await page.waitForSelector(".uplot canvas");
  const lines = readFileSync(join(workdir, "model", "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  const last = JSON.parse(lines.at(-1)!) as { step: number; loss: number };
  const facts = await page.locator(".facts").innerText();
  assert.ok(facts.includes(grouped(last.step)) && facts.includes(last.loss.toFixed(3)), facts);
  const samples = readFileSync(join(workdir, "model", "samples.jsonl"), "utf8")
    .trim()
    .split("\n");
  assert.equal(await page.locator(".timeline li").count(), samples.length);
  await page.getByText(/It begins to spell at|It does not spell yet/).waitFor();
  await page.getByRole("heading", { name: `Where step ${grouped(last.step)} spent its time` }).waitFor();
  await page.getByRole("cell", { name: "attention-backward" }).waitFor();
  assert.equal(await page.locator(".spelling .bars button").count(), samples.length);
  for (const [i, share] of (await page.evaluate<number[]>(drawn)).entries())
    assert.ok(share > 0.002, `chart ${i} is empty: ${share}`);
  // The legend tells the last values without a pointer, and the values along the curve with the arrow keys.
  const legend = page.locator(".chart").first().locator(".u-legend");
  assert.match(await legend.innerText(), new RegExp(`^step\\s*${last.step}(?!\\d)`));
  await page.locator(".chart").first().focus();
  await page.keyboard.press("Home");
  assert.match(await legend.innerText(), /^step\s*1(?!\d)/);
  await page.keyboard.press("Escape");
  await picture(page, "training");
  await page.locator(".spelling").scrollIntoViewIfNeeded();
  await picture(page, "spelling");
  await page.getByLabel("logarithmic").check();
  await page.waitForSelector(".uplot canvas");
});

test("three samples are written, a token tells its alternatives, and one of them branches", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page, go } = opened;
  await go("#/playground");
  await page.getByLabel("tokens").fill("24");
  await page.getByRole("button", { name: "Generate" }).click();
  await page.locator('.sample[aria-busy="false"]').nth(2).waitFor();
  assert.equal(await page.locator(".sample").count(), 3);
  const before = await page.locator(".sample").first().locator(".written").innerText();
  await page.locator(".sample").first().locator(".piece").nth(2).click();
  const others = page.locator(".alternatives button:not(.taken)");
  assert.ok((await others.count()) >= 7);
  await picture(page, "playground");
  const chosen = await others.first().locator("code").innerText();
  await others.first().click();
  await page.locator('.sample[aria-busy="false"]').nth(2).waitFor();
  const after = await page.locator(".sample").first().locator(".written").innerText();
  assert.notEqual(after, before);
  assert.equal(
    (await page.locator(".sample").first().locator(".piece").nth(2).getAttribute("title"))!.includes(
      chosen.replaceAll("·", " "),
    ),
    true,
  );
  await page.locator(".sample").first().getByRole("button", { name: "is this memorised?" }).click();
  await page.getByText("The longest run that stands in the training text").waitFor();
});

test("the network shows a column for each token, a map for each head and the numbers of a tensor", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page, go } = opened;
  await go("#/inside");
  await page.waitForSelector(".network svg");
  const config = JSON.parse(
    readFileSync(join(workdir, "recipe.yaml"), "utf8").includes("nano") ? '{"layers":4,"heads":4}' : "{}",
  ) as { layers: number; heads: number };
  assert.equal(await page.locator('.network [role="button"]').count(), config.layers);
  assert.equal(await page.locator(".maps canvas").count(), config.heads);
  await page.locator('.network [role="button"]').nth(2).click();
  await page.getByText("Attention of layer 2").waitFor();
  await picture(page, "inside");
  await page.locator('.scale button[title^="layers.1.up.weight"]').click();
  const values = page.getByLabel("values of layers.1.up.weight");
  await values.hover();
  await page.getByText(/layers\.1\.up\.weight\[\d+, \d+\] = -?[\d.e-]+/).waitFor();
});

test("narrow and dark, the page stays within its width and number keys change the room", async t => {
  const opened = await open(t, 420, "dark");
  if (!opened) return;
  const { page } = opened;
  await page.waitForSelector(".stage-row");
  for (const [key, wait] of [
    ["1", ".stage-row"],
    ["2", ".document-list"],
    ["4", ".uplot"],
    ["3", ".vocabularies"],
    ["5", "textarea"],
    ["6", ".maps canvas"],
  ] as const) {
    await page.keyboard.press(key);
    await page.waitForSelector(wait);
    const over = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
    assert.ok(over <= 0, `page ${key} is ${over} pixels too wide`);
    if (key === "1") await picture(page, "narrow-dark");
  }
});

test("a folder with nothing yet says so and follows, runs that were cut off, stopped or failed say where", async t => {
  const dir = mkdtempSync(join(tmpdir(), "curate-states-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const opened = await open(t, 1000, "light", dir);
  if (!opened) return;
  const { page, go } = opened;
  await page.getByText("Nothing here yet").waitFor();
  const jobs = join(dir, "work", "documents-1", "jobs");
  mkdirSync(jobs, { recursive: true });
  const read = { ...emptyStats("read"), in: 1234, out: 1234 };
  writeFileSync(join(jobs, "0.json"), JSON.stringify({ stats: [read], outputs: [] }));
  const became = (state: string, phase: string, error?: string) => {
    const phases = {
      "documents-1": { key: "k", state: phase, jobs: 3, started: "2026-01-01T00:00:00.000Z", error },
      tokenizer: { key: "k", state: "waiting" },
    };
    const run = { state, version: "0", node: "v20", name: "small", phases };
    writeFileSync(join(dir, "run.json"), JSON.stringify(run));
  };
  became("running", "running");
  const recipe = { name: "small", keepRejected: { sample: 1, minPerReason: 1 }, stages: [] };
  const plan = { version: "0", recipe, inputs: [], files: [] };
  writeAtomic(join(dir, "work", "plan.json"), JSON.stringify(plan));
  await page.getByText("The run was cut off in phase documents-1.").waitFor();
  assert.match(await page.locator(".facts").innerText(), /1,234/);
  for (const [state, phase, said, error] of [
    ["stopped", "stopped", "The run was stopped in phase documents-1."],
    [
      "failed",
      "failed",
      "The run failed in phase documents-1: no room. Make some. What had ended",
      "no room\nMake some.",
    ],
    ["stopped", "done", "The run stopped after phase documents-1;"],
  ] as const) {
    became(state, phase, error);
    await page.reload();
    await page.locator(".notice", { hasText: said }).waitFor();
    assert.equal(await page.locator(".state").innerText(), state);
  }
  became("failed", "failed", "no room");
  await page.reload();
  await go("#/documents");
  await page.getByText("No document is kept yet").waitFor();
});

/** What the Tab key must reach, in the order of the page; each gets a number. */
const controls = `(() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")];
  const reachable = all.filter(e => e.tabIndex >= 0 && !e.disabled && e.checkVisibility());
  reachable.forEach((e, i) => e.setAttribute("data-nth", i));
  return reachable.map(e => e.outerHTML.slice(0, 120));
})()`;
const focused = `(() => {
  const { outlineStyle } = getComputedStyle(document.activeElement);
  const marked = outlineStyle !== "none" || document.activeElement.closest("svg") !== null;
  return [document.activeElement.getAttribute("data-nth"), marked];
})()`;

test("the Tab key reaches every control of every page in the page's order, each with a visible focus", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page, go } = opened;
  for (const [hash, wait] of [
    ["#/pipeline", ".histogram"],
    ["#/documents", ".document-list button"],
    ["#/tokenizer", ".vocabularies section:nth-of-type(4)"],
    ["#/training", ".spelling"],
    ["#/playground", "textarea"],
    ["#/inside", ".maps canvas"],
  ] as const) {
    await go(hash);
    await page.waitForSelector(wait);
    await page.waitForTimeout(800);
    await page.evaluate("document.activeElement.blur(), scrollTo(0, 0)");
    const expected = await page.evaluate<string[]>(controls);
    assert.ok(expected.length >= 12, hash);
    const reached: number[] = [];
    for (let i = 0; i < expected.length + 6 && new Set(reached).size < expected.length; i++) {
      await page.keyboard.press("Tab");
      const [nth, marked] = await page.evaluate<[string | null, boolean]>(focused);
      if (nth === null) continue;
      assert.ok(marked, `${hash}: no focus to be seen on ${expected[Number(nth)]}`);
      reached.push(Number(nth));
    }
    const missed = expected.filter((_, i) => !reached.includes(i));
    assert.deepEqual(missed, [], hash);
    const inOrder = reached.slice(reached.indexOf(0));
    assert.deepEqual(
      inOrder,
      [...inOrder].sort((a, b) => a - b),
      hash,
    );
  }
});

test("tokens, their alternatives, maps and drawings are gone through by keys alone", async t => {
  const opened = await open(t);
  if (!opened) return;
  const { page, go } = opened;
  await go("#/playground");
  await page.getByLabel("tokens", { exact: true }).fill("8");
  await page.getByRole("textbox", { name: "Prompt" }).focus();
  await page.keyboard.press("Control+Enter");
  await page.locator('.sample[aria-busy="false"]').nth(2).waitFor();
  const sample = page.locator(".sample").first();
  await sample.locator('.piece[tabindex="0"]').focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await sample.getByText("It almost chose").waitFor();
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate("document.activeElement.closest('.alternatives') !== null"));
  await page.keyboard.press("Escape");
  await sample.getByText("It almost chose").waitFor({ state: "detached" });
  assert.equal(await page.evaluate("document.activeElement.className"), "piece");
  const written = await sample.locator(".written").innerText();
  // What was written and typed is there after a look at another page.
  await page.keyboard.press("3");
  const tokens = page.getByRole("group", { name: /^tokens of this run/ });
  await tokens.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.locator(".told", { hasText: /id \d+ · \d+ byte/ }).waitFor();
  await page.keyboard.press("5");
  assert.equal(await sample.locator(".written").innerText(), written);
  await page.keyboard.press("6");
  const layer = page.getByRole("button", { name: "attention of layer 1" });
  await layer.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Attention of layer 1" }).waitFor();
  await page.getByRole("img", { name: /^attention of head 0/ }).focus();
  await page.keyboard.press("ArrowUp");
  await page.locator(".maps figcaption", { hasText: /→.*%/ }).waitFor();
});
