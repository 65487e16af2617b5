/** Help on stages, and the reference page that must be what help prints. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { catalogue } from "../../cli/catalogue.ts";
import { recipePage, stageNamed, stageScreen } from "../../cli/reference.ts";
import { packageRoot } from "../../lib/package-root.ts";

test("docs/recipe.md is what curate help recipe prints", () => {
  const page = readFileSync(join(packageRoot, "docs/recipe.md"), "utf8");
  assert.equal(page, recipePage(catalogue), "run  npx curate help recipe > docs/recipe.md");
});

test("every stage says what it does, and every option what it expects", () => {
  for (const entry of catalogue.values()) {
    assert.ok(entry.about, `${entry.name} has no sentence about it`);
    const screen = stageScreen(entry);
    for (const [name, option] of Object.entries(entry.options)) {
      assert.ok(option.about.length > 5, `${entry.name}.${name}`);
      assert.ok(screen.includes(`  ${name} `), `${entry.name}.${name} is not on its screen`);
    }
  }
});

test("a preset is told by the values in which it differs from the defaults", () => {
  const screen = stageScreen(catalogue.get("gopher-quality")!);
  assert.match(screen, /Presets\n/);
  assert.match(screen, /fineweb@0\.10: .*distinct/);
});

test("a topic that does not exist names the nearest stage", () => {
  assert.throws(() => stageNamed("gopher-qualty", catalogue, ["run", "recipe"]), {
    message: 'no command, stage or topic is called "gopher-qualty". Did you mean gopher-quality?',
  });
});

test("help of a run's commands loads nothing but the command's own description", () => {
  for (const name of ["run", "check", "plan", "task", "stats", "inspect", "explain", "report", "diff"]) {
    const source = readFileSync(join(packageRoot, "cli", `${name}.ts`), "utf8");
    const imports = [...source.matchAll(/^import .* from "(.*)";$/gm)].map(([, from]) => from);
    assert.deepEqual(imports, ["./command.ts"], `cli/${name}.ts`);
  }
});
