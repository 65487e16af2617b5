/**
 * How text reaches the terminal: results on stdout, everything else on stderr. Text from pages is hostile, so
 * control characters are shown, never sent. Colours only on a terminal and never with NO_COLOR.
 */

export function out(text: string): void {
  const safe = process.stdout.isTTY ? harmless(text) : text;
  process.stdout.write(safe.endsWith("\n") ? safe : `${safe}\n`);
}

export function say(text: string): void {
  const safe = harmless(text);
  process.stderr.write(safe.endsWith("\n") ? safe : `${safe}\n`);
}

/** What a terminal may be sent: our own colours, line ends and tabs; every other control character becomes visible. */
export function harmless(text: string): string {
  return text.replace(
    /\u001b(?!\[[0-9;]{0,8}m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    visible,
  );
}

const visible = (char: string): string => `\\u{${char.codePointAt(0)!.toString(16)}}`;

export const colourful = (stream: { readonly isTTY?: boolean }): boolean =>
  stream.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "cyan";
const codes: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  cyan: [36, 39],
};

export function styled(text: string, style: Style, on = colourful(process.stdout)): string {
  const [start, end] = codes[style];
  return on ? `\u001b[${start}m${text}\u001b[${end}m` : text;
}

/** Text of a page, safe to print: control characters and bidirectional overrides become visible escapes. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]/g, visible);
}

/** A JSON value on stdout, one line. */
export function json(value: unknown): void {
  out(JSON.stringify(value));
}

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
export const number = (n: number): string => grouped.format(n);
export const percent = (share: number): string =>
  Number.isFinite(share) ? `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %` : "–";

export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return `${unit === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${units[unit]}`;
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole - minutes * 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes - hours * 60} min` : `${(hours / 24).toFixed(1)} days`;
}

export type Align = "left" | "right";

/** Columns padded to their widest cell; two spaces between. */
export function table(rows: readonly (readonly string[])[], align: readonly Align[]): string {
  const width = align.map((_, column) => Math.max(0, ...rows.map(row => visibleWidth(row[column] ?? ""))));
  const pad = (cell: string, column: number) => {
    const space = " ".repeat(Math.max(0, width[column]! - visibleWidth(cell)));
    return align[column] === "right" ? space + cell : cell + space;
  };
  return rows
    .map(row =>
      align
        .map((_, column) => pad(row[column] ?? "", column))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const wideCharacter =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;

/** Columns a text takes: two for a character of East Asian scripts or an emoji, none for marks, joiners and colours. */
export function visibleWidth(text: string): number {
  let width = 0;
  for (const character of text.replace(/\u001b\[\d+m/g, ""))
    width += wideCharacter.test(character) ? 2 : /[\p{M}\u200b-\u200d]/u.test(character) ? 0 : 1;
  return width;
}

/** The text, or as much of its beginning as fits into so many columns with a mark that it goes on. */
export function shortened(text: string, columns: number): string {
  if (visibleWidth(text) <= columns) return text;
  let kept = "";
  for (const character of text) {
    if (visibleWidth(kept + character) > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Words in lines of at most so many columns, with a gap between two; a longer word has a line of its own. */
export function fill(words: readonly string[], columns: number, gap = 1): string[][] {
  const lines: string[][] = [];
  let used = 0;
  for (const word of words) {
    const width = visibleWidth(word);
    if (lines.length > 0 && used + gap + width <= columns) {
      lines[lines.length - 1]!.push(word);
      used += gap + width;
    } else {
      lines.push([word]);
      used = width;
    }
  }
  return lines;
}

/** Columns to write in: those of the terminal, from 40 up to 100; 100 where the output goes elsewhere. */
export function lineWidth(
  stream: { readonly isTTY?: boolean; readonly columns?: number } = process.stdout,
): number {
  return stream.isTTY && stream.columns ? Math.min(100, Math.max(40, stream.columns)) : 100;
}
