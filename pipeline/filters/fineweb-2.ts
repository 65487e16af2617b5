/**
 * FineWeb-2's settings for eight languages, by filter. The thresholds are those of huggingface/fineweb-2, configs/*.yml
 * (por, spa and jpn at baedee44, the others at 05e67295) and fineweb-2-pipeline.py; a share of non-alphabetic words there
 * is the least share of alphabetic ones here. The stop words are our own: the commonest function words of each language.
 * Other languages, and other corpora, want thresholds of their own: `languages` in the recipe takes them.
 */

type Numbers = {
  readonly lines: number;
  /** Most frequent 2-, 3- and 4-gram. */
  readonly top: readonly [number, number, number];
  /** Repeated 5- to 10-grams. */
  readonly repeated: readonly [number, number, number, number, number, number];
  readonly punctuated: number;
  readonly newlines: number;
  /** 0 is no limit. */
  readonly shortest: number;
  readonly longest: number;
  readonly alphabetic: number;
  readonly stopWords: string;
};

const languages: Readonly<Record<string, Numbers>> = {
  de: {
    lines: 0.263,
    top: [0.169, 0.153, 0.137],
    repeated: [0.141, 0.134, 0.126, 0.117, 0.108, 0.098],
    punctuated: 0,
    newlines: 0.152,
    shortest: 0,
    longest: 15,
    alphabetic: 0.774,
    stopWords: "und der die das ist nicht ein eine mit zu auf von für sich",
  },
  es: {
    lines: 0.265,
    top: [0.077, 0.097, 0.112],
    repeated: [0.152, 0.137, 0.123, 0.114, 0.107, 0.099],
    punctuated: 0.3,
    newlines: 0.171,
    shortest: 4,
    longest: 14,
    alphabetic: 0.825,
    stopWords: "el la los las de que y en un una es por con para no",
  },
  fr: {
    lines: 0.264,
    top: [0.161, 0.149, 0.134],
    repeated: [0.15, 0.141, 0.131, 0.121, 0.111, 0.1],
    punctuated: 0.1,
    newlines: 0.185,
    shortest: 2,
    longest: 11,
    alphabetic: 0.812,
    stopWords: "le la les de des et un une est que qui dans pour pas sur",
  },
  it: {
    lines: 0.246,
    top: [0.198, 0.156, 0.133],
    repeated: [0.144, 0.136, 0.127, 0.118, 0.109, 0.1],
    punctuated: 0.025,
    newlines: 0.2,
    shortest: 3,
    longest: 21,
    alphabetic: 0.807,
    stopWords: "il la le di che e un una è in per con non si gli",
  },
  ja: {
    lines: 0.375,
    top: [0.121, 0.129, 0.145],
    repeated: [0.307, 0.283, 0.264, 0.248, 0.234, 0.223],
    punctuated: 0.167,
    newlines: 0.162,
    shortest: 1,
    longest: 5,
    alphabetic: 0.759,
    stopWords: "の は が を に で と も て た",
  },
  pt: {
    lines: 0.325,
    top: [0.093, 0.117, 0.139],
    repeated: [0.19, 0.172, 0.154, 0.142, 0.131, 0.12],
    punctuated: 0.154,
    newlines: 0.23,
    shortest: 3,
    longest: 13,
    alphabetic: 0.814,
    stopWords: "o a os as de que e um uma não em para com por se",
  },
  ru: {
    lines: 0.322,
    top: [0.184, 0.164, 0.146],
    repeated: [0.168, 0.156, 0.145, 0.133, 0.121, 0.109],
    punctuated: 0.231,
    newlines: 0.139,
    shortest: 3,
    longest: 11,
    alphabetic: 0.713,
    stopWords: "и в не на что он с как это по но из у за",
  },
  zh: {
    lines: 0.287,
    top: [0.256, 0.201, 0.171],
    repeated: [0.198, 0.182, 0.167, 0.154, 0.14, 0.127],
    punctuated: 0.106,
    newlines: 0.178,
    shortest: 1,
    longest: 5,
    alphabetic: 0.735,
    stopWords: "的 是 在 了 不 我 有 他 這 这 也",
  },
};

const each = <T>(settings: (numbers: Numbers) => T): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(languages).map(([code, numbers]) => [code, settings(numbers)]));

export const repetition2 = {
  blankLines: "skip",
  maxDuplicateParagraphs: null,
  maxDuplicateParagraphChars: null,
  maxDuplicateLineChars: null,
  languages: each(({ lines, top, repeated }) => ({
    maxDuplicateLines: lines,
    maxTop2Gram: top[0],
    maxTop3Gram: top[1],
    maxTop4Gram: top[2],
    maxDuplicate5Grams: repeated[0],
    maxDuplicate6Grams: repeated[1],
    maxDuplicate7Grams: repeated[2],
    maxDuplicate8Grams: repeated[3],
    maxDuplicate9Grams: repeated[4],
    maxDuplicate10Grams: repeated[5],
  })),
} as const;

export const quality2 = {
  countStopWords: "distinct",
  symbols: "all-scripts",
  languages: each(({ shortest, longest, alphabetic, stopWords }) => ({
    minMeanWordLength: shortest === 0 ? null : shortest,
    maxMeanWordLength: longest,
    minAlphabeticWords: alphabetic,
    stopWords: stopWords.split(" "),
  })),
} as const;

export const finewebQuality2 = {
  blankLines: "skip",
  lineEnds: "all-scripts",
  atThreshold: "keep",
  maxShortLines: null,
  maxDuplicateLineChars: 0.1,
  languages: each(({ punctuated, newlines }) => ({
    minPunctuatedLines: punctuated,
    maxNewlinesPerWord: newlines,
  })),
} as const;
