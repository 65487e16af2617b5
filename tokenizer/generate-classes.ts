/**
 * Writes classes.gen.ts: which class each code point has, for the newest Unicode version as runs and for older ones
 * as differences from it. The newest comes from the running Node; the older ones from the npm packages
 * @unicode/unicode-14.0.0 and so on, installed in any folder. Where a package has the newest version too, the two
 * sources must agree.
 *
 *   node dist/tokenizer/generate-classes.js FOLDER-WITH-NODE_MODULES
 *
 * The only place that asks a regular expression what a letter is: at run time the answer would change with the
 * Node version, and ids with it.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../lib/package-root.ts";

const codePoints = 0x110000;
const letters = "oulbmnsr";

/** The class of every code point as the running Node's Unicode data says. */
export function classesOfThisNode(): Uint8Array {
  const tests: [RegExp, number][] = [
    [/[\p{Lu}\p{Lt}]/u, 1],
    [/\p{Ll}/u, 2],
    [/[\p{Lm}\p{Lo}]/u, 3],
    [/\p{M}/u, 4],
    [/\p{N}/u, 5],
    [/\p{White_Space}/u, 6],
  ];
  const classes = new Uint8Array(codePoints);
  for (let point = 0; point < codePoints; point++) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const character = String.fromCodePoint(point);
    classes[point] = tests.find(([test]) => test.test(character))?.[1] ?? 0;
  }
  classes[0x0a] = 7;
  classes[0x0d] = 7;
  return classes;
}

/** A class letter and how many code points have it, again and again. */
export function encodeRuns(classes: Uint8Array): string {
  let runs = "";
  for (let start = 0; start < codePoints; ) {
    let end = start + 1;
    while (end < codePoints && classes[end] === classes[start]) end++;
    runs += letters[classes[start]!]! + (end - start);
    start = end;
  }
  return runs;
}

/** Where `older` differs from `newer`: class letter and first code point, "+", how many more; separated by spaces. */
export function encodeDifferences(older: Uint8Array, newer: Uint8Array): string {
  const differences: string[] = [];
  for (let start = 0; start < codePoints; start++) {
    if (older[start] === newer[start]) continue;
    let end = start + 1;
    while (end < codePoints && older[end] !== newer[end] && older[end] === older[start]) end++;
    differences.push(`${letters[older[start]!]}${start}+${end - start - 1}`);
    start = end - 1;
  }
  return differences.join(" ");
}

async function classesOfPackage(folder: string): Promise<Uint8Array> {
  type Ranges = { default: readonly { readonly begin: number; readonly end: number }[] };
  const categories: [string, number][] = [
    ["Uppercase_Letter", 1],
    ["Titlecase_Letter", 1],
    ["Lowercase_Letter", 2],
    ["Modifier_Letter", 3],
    ["Other_Letter", 3],
    ["Mark", 4],
    ["Number", 5],
  ];
  const classes = new Uint8Array(codePoints);
  const fill = async (path: string, value: number) => {
    const { default: ranges } = (await import(
      pathToFileURL(join(folder, path, "ranges.mjs")).href
    )) as Ranges;
    for (const { begin, end } of ranges) classes.fill(value, begin, end);
  };
  for (const [category, value] of categories) await fill(join("General_Category", category), value);
  await fill(join("Binary_Property", "White_Space"), 6);
  classes[0x0a] = 7;
  classes[0x0d] = 7;
  return classes;
}

function wrapped(text: string): string {
  return (text.match(/.{1,110}/g) ?? [""]).map(line => `  "${line}"`).join(" +\n");
}

async function generate(packages: string | undefined): Promise<void> {
  const newestVersion = `${process.versions["unicode"]}.0`;
  const newest = classesOfThisNode();
  const older: [string, string][] = [];
  const folder = packages && join(resolve(packages), "node_modules", "@unicode");
  if (!folder || !existsSync(folder)) throw new Error("expected a folder that holds node_modules/@unicode");
  for (const name of readdirSync(folder).sort()) {
    const version = name.replace("unicode-", "");
    const classes = await classesOfPackage(join(folder, name));
    if (version !== newestVersion) older.push([version, encodeDifferences(classes, newest)]);
    else if (Buffer.compare(classes, newest) !== 0)
      throw new Error(`${name} and the Unicode ${newestVersion} of this Node differ`);
  }
  writeFileSync(
    join(packageRoot, "tokenizer", "classes.gen.ts"),
    `// Written by generate-classes.ts from Unicode ${newestVersion} as Node ${process.versions.node} (ICU ${process.versions["icu"]}) has it\n` +
      `// and from the npm packages @unicode/unicode-* for ${older.map(([version]) => version).join(", ")}.\n` +
      `export const newestUnicode = "${newestVersion}";\n\n` +
      `/** Class letter (oulbmnsr) and run length, from code point 0 on. */\n` +
      `export const runs =\n${wrapped(encodeRuns(newest))};\n\n` +
      `/** What an older version has instead: class letter and code point, "+", how many more. */\n` +
      `export const differences: Readonly<Record<string, string>> = {\n` +
      older.map(([version, text]) => `  "${version}":\n  ${wrapped(text)},\n`).join("") +
      `};\n`,
  );
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await generate(process.argv[2]);
