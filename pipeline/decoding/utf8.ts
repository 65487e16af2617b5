/**
 * How much of some bytes is UTF-8. Counts as the WHATWG decoder replaces: one error for each maximal run of bytes
 * that could have begun a character and did not end it.
 */

export type Utf8Count = {
  /** Well-formed characters of two bytes and more. */
  readonly sequences: number;
  /** Errors, each of which decodes to one U+FFFD. */
  readonly invalid: number;
};

export function countUtf8(bytes: Uint8Array): Utf8Count {
  let sequences = 0;
  let invalid = 0;
  const { length } = bytes;
  for (let i = 0; i < length; ) {
    const lead = bytes[i++]!;
    if (lead < 0x80) continue;
    const needed =
      lead >= 0xc2 && lead <= 0xdf ? 1 : (lead & 0xf0) === 0xe0 ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
    if (needed === 0) {
      invalid++;
      continue;
    }
    let low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    let high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    let seen = 0;
    while (seen < needed && i < length && bytes[i]! >= low && bytes[i]! <= high) {
      i++;
      seen++;
      low = 0x80;
      high = 0xbf;
    }
    if (seen === needed) sequences++;
    else invalid++;
  }
  return { sequences, invalid };
}
