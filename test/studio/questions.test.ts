/**
 * Five questions of somebody who has never seen the studio, asked from the start page of `curate studio`, answered by
 * what stands there to be read and clicked. How many clicks and seconds each took is told, not judged.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { chromium, type Locator, type Page } from "playwright-core";
import { builtRoot } from "../../lib/package-root.ts";
import { statsOf, workdir } from "./setting.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  existsSync,
);

test("five questions of a new user are answered from the start page by what can be read and clicked", async t => {
  if (!executablePath || !existsSync(join(workdir, "model", "checkpoints"))) {
    assert.notEqual(process.env["CI"], "true", "no Chromium, or no finished run");
    return t.skip("no Chromium, or no finished run of stages.yaml");
  }
  const cli = join(builtRoot, "cli", "main.js");
  const studio = spawn(process.execPath, [cli, "studio", workdir, "--port", "0", "--device", "cpu"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.after(() => studio.kill());
  const [said] = (await once(studio.stdout, "data")) as [Buffer];
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  t.after(() => browser.close());

  const asked = async (
    question: string,
    answer: (page: Page, click: (at: Locator) => Promise<void>) => Promise<string>,
  ) => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(60_000);
    const begun = Date.now();
    let clicks = 0;
    await page.goto(said.toString().trim());
    const found = await answer(page, async at => {
      clicks++;
      await at.click();
    });
    t.diagnostic(`${question} ${found}: ${clicks} clicks, ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    await page.close();
  };
  const link = (page: Page, name: string) => page.getByRole("link", { name });

  const [reason] = Object.entries(statsOf("gopher-quality").dropped).sort(([, a], [, b]) => b - a)[0]!;
  const rejected = readFileSync(join(workdir, "rejected", "gopher-quality", "part-00000.jsonl.gz"));
  const dropped = JSON.parse(gunzipSync(rejected).toString("utf8").split("\n", 1)[0]!) as { url: string };

  await asked("Why was this address dropped?", async (page, click) => {
    await click(link(page, "Documents"));
    await page.getByLabel("find").fill(dropped.url);
    await page.keyboard.press("Enter");
    await click(page.getByRole("button", { name: "look among all" }));
    await click(page.locator(".document-list").getByRole("button").first());
    await page.getByText("dropped by gopher-quality").waitFor();
    const why = await page.locator("article p").first().innerText();
    assert.match(why, /^dropped by gopher-quality +[a-z-]+ [\d.]+ \(threshold [\d.]+\)/);
    return why;
  });
  await asked("And any page that one rule drops?", async (page, click) => {
    await click(link(page, reason));
    await click(page.locator(".document-list").getByRole("button").first());
    await page.getByText("dropped by gopher-quality").waitFor();
    return (await page.locator("article p").first().innerText()).trim();
  });
  await asked("What would a looser threshold keep?", async page => {
    const slider = page.getByRole("slider").first();
    const box = (await slider.boundingBox())!;
    const drag = async (by: number) => {
      await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width / 2 + by, box.y + box.height / 2, { steps: 5 });
      await page.mouse.up();
    };
    await drag((await slider.getAttribute("aria-label"))!.includes("above") ? 60 : -60);
    const answer = page.getByText(/more kept/).first();
    await answer.waitFor();
    assert.match(await answer.innerText(), /^[1-9]\d* more kept$/);
    return answer.innerText();
  });
  await asked("How is this name tokenized?", async (page, click) => {
    await click(link(page, "Tokenizer"));
    await page.getByRole("textbox", { name: "Text to tokenize" }).fill("Rosalind Ashdown");
    const own = page.locator(".vocabularies section", { hasText: "this run" });
    await own.locator(".tokens", { hasText: /^Rosalind Ashdown$/ }).waitFor();
    const tokens = await own.locator(".token").allInnerTexts();
    assert.equal(tokens.join("").replace(/\s/g, ""), "RosalindAshdown");
    return tokens.join("|");
  });
  await asked("When did the model begin to spell?", async (page, click) => {
    await click(link(page, "Training"));
    const answer = page.getByText(/It begins to spell at|It does not spell yet/);
    await answer.waitFor();
    return answer.innerText();
  });
  await asked("Which token did it almost choose?", async (page, click) => {
    await click(link(page, "Playground"));
    await page.getByLabel("tokens", { exact: true }).fill("12");
    await click(page.getByRole("button", { name: "Generate" }));
    const sample = page.locator('.sample[aria-busy="false"]').first();
    await sample.waitFor();
    await click(sample.locator(".piece").nth(4));
    const answer = sample.getByText("It almost chose");
    await answer.waitFor();
    assert.match(await answer.innerText(), /It almost chose .+ with (\d|<)/);
    return (await answer.innerText()).slice(0, 80);
  });
});
