/**
 * What the caps, sampling and the memory kept out of a vocabulary, in sentences: for the report of every training
 * run, since what was quietly not counted is what people look for later. Knows no terminal.
 */
import type { Training } from "./training.ts";

const number = new Intl.NumberFormat("en-US").format;

function size(bytes: number): string {
  return bytes < 1e6 ? `${number(bytes)} bytes` : `${number(Math.round(bytes / 1e4) / 100)} MB`;
}

/** One sentence for each thing that was left out or cut; none where all text was counted as it is. */
export function trainingCosts(
  training: Pick<Training, "corpus" | "words" | "trainedWords" | "wordsFrom">,
): string[] {
  const { corpus, words, trainedWords, wordsFrom } = training;
  const costs: string[] = [];
  if (corpus.sampledOut > 0)
    costs.push(
      `sampling left out ${number(corpus.sampledOut)} of ${number(corpus.sampledOut + corpus.documents)} documents, ${size(corpus.sampledOutBytes)}`,
    );
  if (corpus.cappedDocuments > 0)
    costs.push(
      `the document cap left out ${size(corpus.cappedDocumentBytes)} of ${size(corpus.bytes)}, in ${number(corpus.cappedDocuments)} of ${number(corpus.documents)} documents`,
    );
  if (corpus.cutPieces > 0)
    costs.push(
      `${number(corpus.cutPieces)} of ${number(corpus.pieces)} pieces were longer than the piece cap and cut; no byte of them is lost`,
    );
  if (wordsFrom > 1)
    costs.push(
      `${number(words - trainedWords)} of ${number(words)} different pieces, those that occur fewer than ${number(wordsFrom)} times, did not fit into the memory`,
    );
  return costs;
}
