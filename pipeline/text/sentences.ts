/**
 * Counts sentences by the rule of spaCy's sentencizer: a sentence ends after a word that is one terminal mark
 * (`.`, `!`, `?`, `।`, `。` …) and the next one begins with the first word after it that is not punctuation. So
 * "3.50" and "Dr." end nothing, and a closing quote belongs to the sentence before it.
 */
import { isTerminal } from "./characters.ts";
import { isPunctuationWord, splitWords } from "./words.ts";

function isTerminalWord(word: string): boolean {
  const point = word.codePointAt(0)!;
  return word.length === (point > 0xffff ? 2 : 1) && isTerminal(point);
}

/** Number of sentences in `words`; 0 where there are none. */
export function sentencesIn(words: readonly string[]): number {
  if (words.length === 0) return 0;
  let sentences = 1;
  let ended = false;
  for (const word of words) {
    if (isTerminalWord(word)) ended = true;
    else if (ended && !isPunctuationWord(word)) {
      sentences++;
      ended = false;
    }
  }
  return sentences;
}

export const countSentences = (text: string): number => sentencesIn(splitWords(text));
