/**
 * Text in which some special tokens are meant as such: chat templates, prompts. Only what is named in `allowed`
 * counts; everything else is text, as it always is for `encode`. There is no third behaviour: nothing is special by
 * default, and no text is refused.
 */
import { UserError } from "../lib/errors.ts";
import type { Encoder } from "./encoder.ts";
import { createTokenSink, type TokenArray } from "./token-array.ts";

/** Ids of a text. Where several special tokens begin at one place, the longest is taken. UserError for an unknown one. */
export function encodeWithSpecials(
  encoder: Encoder,
  text: string,
  allowed: "all" | Iterable<string>,
): TokenArray {
  const { specials } = encoder.vocabulary;
  const names = allowed === "all" ? [...specials.keys()] : [...allowed];
  for (const name of names)
    if (!specials.has(name))
      throw new UserError(
        `${JSON.stringify(name)} is not a special token of this tokenizer`,
        `it has ${[...specials.keys()].join(", ") || "none"}`,
      );
  const sink = createTokenSink(encoder.size);
  const next = new Map(names.map(name => [name, text.indexOf(name)]));
  for (let at = 0; at < text.length; ) {
    let found: string | null = null;
    let place = text.length;
    for (const [name, position] of next) {
      const here = position >= 0 && position < at ? text.indexOf(name, at) : position;
      next.set(name, here);
      if (here < 0) next.delete(name);
      else if (here < place || (here === place && name.length > (found?.length ?? 0))) {
        found = name;
        place = here;
      }
    }
    if (place > at) encoder.encodeInto(text.slice(at, place), sink);
    if (found === null) break;
    sink.push(specials.get(found)!);
    at = place + found.length;
  }
  return sink.view().slice();
}
