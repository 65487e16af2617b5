/**
 * Removes lines or paragraphs that occur elsewhere in the corpus: menus, notices, signatures, quotations. They are
 * compared without case and digits. A document of which nothing remains is dropped. Off unless the recipe lists it: it removes text inside
 * documents that were kept as a whole by everybody else.
 */
import { choice, integer, type Options } from "../../lib/options.ts";
import type { CorpusStage } from "../corpus-stage.ts";
import { codePoints } from "../text/characters.ts";
import { strip } from "../text/lines.ts";
import { createLineKeys, hashLine, partitions, readRepeated, writeRepeated } from "./line-keys.ts";

const options = {
  unit: choice("line", "what is compared and removed: single lines, or paragraphs between blank lines", [
    "line",
    "paragraph",
  ] as const),
  minCharacters: integer(20, "shorter lines or paragraphs are never repetitions", { min: 1 }),
  copies: integer(2, "one that occurs this often in the corpus is repeated", { min: 2, max: 1000 }),
  keep: choice("first", "whether the first occurrence stays, in the order of the inputs, or none", [
    "first",
    "none",
  ] as const),
} satisfies Options;

/** A text's pieces, and what stands between two of them where they are put together again. */
function piecesOf(text: string, unit: "line" | "paragraph"): readonly [readonly string[], string] {
  return unit === "line" ? [text.split("\n"), "\n"] : [text.split(/\n(?:[^\S\n]*\n)+/), "\n\n"];
}

/** What two lines have in common that count as the same. */
export const lineKey = (line: string): string =>
  strip(line)
    .toLowerCase()
    .replace(/\p{Nd}+/gu, "0");

export const lineDedup: CorpusStage<typeof options> = {
  name: "line-dedup",
  kind: "dedup",
  about: "removes lines or paragraphs that were seen before anywhere in the corpus",
  source: "Wenzek et al. 2020 (CCNet), section 3.1, there for paragraphs",
  options,
  reasons: ["only-repeated-lines"],
  measures: [],
  collect(values, { dir, task, memory }) {
    const keys = createLineKeys(dir, task, Math.floor(memory / 4));
    const hash = new Uint32Array(3);
    let documents = 0;
    return {
      add({ text }, index) {
        if (index !== documents++)
          throw new Error(`document ${index} came where ${documents - 1} was expected`);
        piecesOf(text, values.unit)[0].forEach((line, i) => {
          const key = lineKey(line);
          if (codePoints(key) < values.minCharacters) return;
          hashLine(key, hash);
          keys.add(hash, index, i);
        });
      },
      finish: () => [keys.commit(documents)],
    };
  },
  rounds: (values, tasks) => [
    {
      name: "lines",
      jobs: partitions,
      run: (job, context) => writeRepeated(job, tasks, values.copies, values.keep === "first", context),
    },
  ],
  async apply({ unit }, { dir, task }) {
    const repeatedIn = readRepeated(dir, task);
    return (document, index) => {
      const repeated = repeatedIn(index);
      if (!repeated) return { verdict: { keep: document }, membership: null };
      const [pieces, between] = piecesOf(document.text, unit);
      const text = pieces.filter((_, i) => !repeated.has(i)).join(between);
      const verdict =
        strip(text) === ""
          ? { drop: "only-repeated-lines", value: repeated.size, threshold: 0 }
          : {
              keep: { ...document, text, meta: { ...document.meta, line_dedup_removed: repeated.size } },
            };
      return { verdict, membership: null };
    };
  },
};
