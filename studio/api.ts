/**
 * What the studio's server answers and its page shows: types only, shared by both, so that neither can drift.
 * Knows no files and no markup.
 */

export type StageNumbers = {
  readonly name: string;
  readonly about: string;
  readonly in: number;
  readonly out: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly failed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly tokensOut: number | null;
  readonly cpuSeconds: number;
  /** The recipe's options of the stage as YAML, for reading. */
  readonly yaml: string;
  /** Whether its decisions can be replayed from recorded measures. */
  readonly replayable: boolean;
};

export type PhaseState = {
  readonly name: string;
  readonly state: "waiting" | "running" | "done" | "failed" | "stopped";
  readonly jobs: number;
  /** Jobs that have ended, of the phase that runs or in which the run ended. */
  readonly ended: number;
  readonly seconds: number | null;
};

/** GET /api/run */
export type RunOverview = {
  readonly name: string;
  readonly workdir: string;
  /** "nothing": no run has begun here. "cut off": it says it runs, and no process does. */
  readonly state: "nothing" | "running" | "stopped" | "failed" | "cut off" | "done" | "unknown";
  /** Of a run that failed: what went wrong, and on a second line what its user can do. */
  readonly error: string | null;
  readonly version: string;
  readonly started: string | null;
  readonly finished: string | null;
  readonly stages: readonly StageNumbers[];
  readonly phases: readonly PhaseState[];
  /** Each changes whenever something on disk did: the page asks again for that only then. */
  readonly marks: {
    /** Stages, their counts and documents. */
    readonly corpus: string;
    readonly curves: string;
    readonly samples: string;
  };
  readonly has: { readonly documents: boolean; readonly tokenizer: boolean; readonly model: boolean };
};

export type Threshold = {
  readonly option: string;
  readonly at: number;
  /** Which side of the line is dropped. */
  readonly drops: "below" | "above";
  readonly reason: string;
};

export type Histogram = {
  readonly measure: string;
  readonly documents: number;
  readonly min: number;
  readonly max: number;
  /** Documents in equal steps from `low` to `high`; what lies outside is in the first and last. */
  readonly low: number;
  readonly high: number;
  readonly kept: readonly number[];
  readonly dropped: readonly number[];
  readonly thresholds: readonly Threshold[];
};

/** GET /api/measures?stage= */
export type StageMeasures = { readonly stage: string; readonly histograms: readonly Histogram[] };

/** GET /api/what-if?stage=&option=&value= */
export type WhatIfAnswer = {
  readonly stage: string;
  readonly option: string;
  readonly was: unknown;
  readonly now: unknown;
  readonly in: number;
  readonly keptBefore: number;
  readonly keptNow: number;
  readonly newlyKept: number;
  readonly newlyDropped: number;
  readonly yaml: string;
};

/** What stands around the first place where words were found: text, never markup. */
export type FoundWords = { readonly before: string; readonly match: string; readonly after: string };

export type DocumentRow = {
  readonly id: string;
  /** Name of the part it stands in, which makes it quick to find. */
  readonly part: string;
  readonly url: string | null;
  /** Empty for a kept document. */
  readonly stage: string;
  readonly reason: string;
  readonly value: string | null;
  readonly threshold: string | null;
  /** Of kept documents. */
  readonly title: string | null;
  readonly language: string | null;
  readonly score: number | null;
  /** Where the words that were looked for stand: in its text, else its title, else its address. */
  readonly found: FoundWords | null;
};

/** GET /api/documents */
export type DocumentPage = {
  readonly rows: readonly DocumentRow[];
  /** Give it back to go on; null at the end. */
  readonly next: string | null;
  /** Rows looked at for this page, and rows there are. */
  readonly looked: number;
  readonly total: number;
  /** Where words were looked for in the texts of dropped documents; null where they were not. */
  readonly texts: {
    /** Texts looked at for this page. */
    readonly looked: number;
    /** Files of dropped texts, and how many of them have been read to their end so far. */
    readonly files: number;
    readonly filesEnded: number;
    /** The recipe's keepRejected: below 1, not every dropped text was kept. */
    readonly sample: number;
    readonly minPerReason: number;
  } | null;
};

export type Choices = {
  readonly stages: readonly { readonly name: string; readonly reasons: readonly string[] }[];
  readonly languages: readonly string[];
};

export type MeasureShown = {
  readonly stage: string;
  readonly reason: string | null;
  readonly values: readonly {
    readonly name: string;
    readonly value: number;
    readonly limits: string;
    /** Whether it lies on a side that is dropped. */
    readonly beyond: boolean;
  }[];
};

export type DuplicateShown = { readonly id: string; readonly url: string | null; readonly kept: boolean };

/** GET /api/document?id=&part= */
export type DocumentDetail = {
  readonly row: DocumentRow;
  readonly warcFile: string;
  readonly warcOffset: number;
  /** Where `text` comes from: the corpus, the sample of what was dropped, or extracted anew just now. */
  readonly textFrom: "corpus" | "sample" | "anew" | "none";
  readonly text: string;
  readonly language: string | null;
  readonly title: string | null;
  readonly date: string | null;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly measures: readonly MeasureShown[];
  readonly cluster: {
    readonly id: string;
    readonly size: number;
    readonly members: readonly DuplicateShown[];
  } | null;
  readonly original: boolean;
};

export type StepMetrics = {
  readonly step: number;
  readonly tokens: number;
  readonly loss: number;
  readonly lr: number;
  readonly gradNorm: number;
  readonly tokensPerSecond: number;
  readonly mfu: number | null;
  readonly ms: number;
  readonly valLoss?: number;
  readonly valBitsPerByte?: number;
  readonly [more: string]: unknown;
};

export type TrainingRun = {
  readonly name: string;
  readonly workdir: string;
  readonly steps: readonly StepMetrics[];
  readonly samples: readonly { readonly step: number; readonly text: string }[];
  readonly totalSteps: number | null;
  readonly config: Readonly<Record<string, unknown>> | null;
};

/** GET /api/training: the workdir's own run first, then those named to compare. */
export type Training = { readonly runs: readonly TrainingRun[] };

export type SampleSpelling = {
  readonly step: number;
  readonly words: number;
  /** Of these words, how many the corpus does not know, and which. */
  readonly unknown: number;
  readonly strange: readonly string[];
  /** Words put together from several tokens, and how many of these the corpus knows. */
  readonly made: number;
  readonly right: number;
};

/** GET /api/spelling: of the workdir's own run. */
export type Spelling = {
  /** Distinct words known from the corpus. */
  readonly known: number;
  readonly samples: readonly SampleSpelling[];
  /** The step from which on a third of the words it puts together exist. */
  readonly from: number | null;
};

export type TokenShown = { readonly ids: readonly number[]; readonly text: string; readonly bytes: number };

/** POST /api/tokenize {text, which}: "own" answers at once, the published vocabularies take a second to load. */
export type Tokenized = {
  readonly bytes: number;
  readonly characters: number;
  readonly vocabularies: readonly {
    readonly name: string;
    readonly size: number;
    readonly tokens: number;
    readonly segments: readonly TokenShown[];
  }[];
};

/** GET /api/vocabulary?q=&from= */
export type VocabularyPage = {
  readonly size: number;
  readonly pattern: string;
  readonly total: number;
  readonly tokens: readonly {
    readonly id: number;
    readonly text: string;
    readonly bytes: number;
    readonly kind: string;
    readonly uses: number | null;
    readonly parents: readonly [string, string] | null;
  }[];
};

/** GET /api/compression */
export type Compression = {
  readonly vocabularies: readonly string[];
  readonly rows: readonly {
    readonly group: string;
    readonly documents: number;
    readonly bytesPerToken: readonly number[];
  }[];
};

/** POST /api/merges {word} */
export type MergeReplay = {
  readonly pieces: readonly {
    readonly start: readonly string[];
    readonly steps: readonly {
      readonly rank: number;
      readonly left: string;
      readonly right: string;
      readonly parts: readonly string[];
    }[];
    readonly ids: readonly number[];
  }[];
};

export type GenerateRequest = {
  readonly prompt: string;
  /** Tokens already written after the prompt, kept as they are. */
  readonly forced?: readonly number[];
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly n?: number;
};

export type Alternative = { readonly id: number; readonly text: string; readonly probability: number };

/** POST /api/generate: one JSON object a line. */
export type GeneratedToken = {
  readonly sample: number;
  readonly id: number;
  /** Text that is whole after this token; may be empty within a character. */
  readonly text: string;
  /** The token's own text, for its label. */
  readonly token: string;
  readonly probability: number;
  readonly alternatives: readonly Alternative[];
  readonly end: "stop" | "length" | null;
};

/** POST /api/memorised {prompt, ids} */
export type Memorised = {
  readonly length: number;
  readonly text: string;
  readonly before: string;
  readonly after: string;
  readonly document: string | null;
  readonly times: number;
  readonly searched: number;
  readonly tokens: number;
};

/** POST /api/inside {prompt} */
export type Inside = {
  readonly config: Readonly<Record<string, unknown>>;
  readonly parameters: number;
  readonly tokens: readonly { readonly id: number; readonly text: string }[];
  /** [layer][head][query][key], the lower triangle row by row. */
  readonly attention: readonly (readonly (readonly number[])[])[];
  /** After each layer, the most probable next tokens at each position. */
  readonly lens: readonly (readonly (readonly Alternative[])[])[];
  /** Length of the residual stream after each layer at each position. */
  readonly norms: readonly (readonly number[])[];
  /** Length of what attention and MLP of each layer add to the residual stream at each position. */
  readonly added: readonly (readonly { readonly attention: number; readonly mlp: number }[])[];
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
};

/** GET /api/tensor?name=&row=&column=: a window of a weight matrix. */
export type TensorWindow = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  readonly values: readonly number[];
  readonly min: number;
  readonly max: number;
  readonly deviation: number;
};

export type Failure = { readonly error: string; readonly hint: string | null };
