/** Numbers as people read them. */
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const count = (n: number): string => grouped.format(n);
export const share = (part: number, whole: number): string =>
  whole > 0 ? `${((part / whole) * 100).toFixed(part / whole < 0.1 ? 1 : 0)} %` : "–";

export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return `${unit === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${units[unit]}`;
}

/** Four significant digits, without a tail of zeros. */
export const short = (n: number): string =>
  Number.isFinite(n) ? (Math.abs(n) >= 1e4 ? grouped.format(n) : String(Number(n.toPrecision(4)))) : "–";

export function seconds(n: number): string {
  if (n < 60) return `${n.toFixed(n < 10 ? 1 : 0)} s`;
  if (n < 3600) return `${Math.floor(n / 60)} min ${Math.round(n % 60)} s`;
  return `${Math.floor(n / 3600)} h ${Math.round((n % 3600) / 60)} min`;
}

export const percent = (p: number): string =>
  p >= 0.0995 ? `${(p * 100).toFixed(0)} %` : p >= 0.001 ? `${(p * 100).toFixed(1)} %` : "<0.1 %";

const hex = (sign: string): string => sign.charCodeAt(0).toString(16).padStart(2, "0");

/** White space and control characters made visible where asked for; a lone line feed always, or it could not be seen or clicked. */
export function visible(text: string, whitespace: boolean): string {
  if (whitespace)
    return text
      .replaceAll(" ", "·")
      .replaceAll("\t", "→")
      .replaceAll("\r", "␍")
      .replaceAll("\n", "↵\n")
      .replace(/(?!\n)\p{Cc}/gu, sign => `\\x${hex(sign)}`);
  return text.replace(/^\n+$/, breaks => "↵\n".repeat(breaks.length));
}
