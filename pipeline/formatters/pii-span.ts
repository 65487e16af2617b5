/** A piece of a text that is personal data: UTF-16 offsets, end exclusive. Every finder gives its spans in ascending order. */
export type Span = { readonly start: number; readonly end: number };

/** Whether an ASCII digit stands at `at`. */
export function isDigitAt(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0x30 && unit <= 0x39;
}
