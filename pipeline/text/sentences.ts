/**
 * Counts sentences by the rule of spaCy's sentencizer: a sentence ends after a word that is one terminal mark
 * (`.`, `!`, `?`, `।`, `。` …) and the next one begins with the first word after it that is not punctuation. So
 * "3.50" and "Dr." end nothing, and a closing quote belongs to the sentence before it.
 */
import { isTerminal } from "./characters.ts";
import { isPunctuationWord, visitChunks } from "./words.ts";

function isTerminalWord(word: string): boolean {
  const point = word.codePointAt(0)!;
  return word.length === (point > 0xffff ? 2 : 1) && isTerminal(point);
}

/** Number of sentences in a text; 0 where there is no word. */
export function countSentences(text: string): number {
  let sentences = 0;
  let ended = true;
  visitChunks(text, words => {
    if (words === null) {
      if (ended) sentences++;
      ended = false;
      return;
    }
    for (const word of words) {
      if (sentences === 0) {
        sentences = 1;
        ended = false;
      }
      if (isTerminalWord(word)) ended = true;
      else if (ended && !isPunctuationWord(word)) {
        sentences++;
        ended = false;
      }
    }
  });
  return sentences;
}
