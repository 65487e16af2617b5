/**
 * Drawings of a report as SVG text: the funnel, histograms in which what a rule drops has another colour, the loss
 * curve; and numbers as people read them. Pure; knows numbers and labels only. Colours come from CSS variables of the
 * page, so that dark and print work.
 */
import type { StageStats } from "../stats.ts";
import type { Distribution, Step } from "./gather.ts";

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, char => {
    const named: Record<string, string> = {
      "&": "&amp;",
      "<": "&lt;",
      ">": "&gt;",
      '"': "&quot;",
      "'": "&#39;",
    };
    return named[char] ?? "\ufffd";
  });
}

export const grouped = (n: number): string => n.toLocaleString("en-US", { maximumFractionDigits: 0 });
export const short = (n: number): string => {
  if (n === 0 || !Number.isFinite(n)) return String(n);
  if (Math.abs(n) >= 1e9) return `${(n / 1e9).toFixed(1)}G`;
  if (Math.abs(n) >= 1e6) return `${(n / 1e6).toFixed(1)}M`;
  if (Math.abs(n) >= 1e4) return `${(n / 1e3).toFixed(0)}k`;
  return String(Number(n.toPrecision(Math.abs(n) >= 1000 ? 4 : 3)));
};

/** A share in per cent; "<0.1 %" for what rounds to nothing. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return "–";
  const value = share * 100;
  if (value > 0 && value < 0.1) return "<0.1 %";
  if (value > 99.9 && value < 100) return ">99.9 %";
  const fine = (value > 0 && value < 9.95) || (value > 99 && value < 100);
  return `${value.toFixed(fine ? 1 : 0)} %`;
}

/** Reasons of a stage and their documents, the most frequent first. */
export function reasonsOf(stage: StageStats): [reason: string, n: number][] {
  const reasons = Object.entries(stage.dropped).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  if (stage.failed > 0) reasons.push(["failed", stage.failed]);
  return reasons;
}

const funnel = { left: 158, width: 520, row: 46, bar: 26 } as const;

/**
 * One bar a stage, as wide as the documents that reached it: what it kept, then a piece for each reason; between two
 * bars the stream of those that go on.
 */
export function funnelChart(stages: readonly StageStats[]): string {
  const shown = stages.filter(stage => stage.in > 0 && stage.tokensOut === undefined);
  const most = Math.max(1, ...shown.map(stage => stage.in));
  const { left, width, row, bar } = funnel;
  const wide = (n: number) => (n / most) * width;
  const rows = shown.map((stage, i) => {
    const y = i * row;
    const reasons = reasonsOf(stage);
    let x = left + wide(stage.out);
    const pieces = reasons.map(([reason, n], k) => {
      const piece = `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.4, wide(n)).toFixed(1)}" height="${bar}" class="lost shade-${k % 3}"><title>${escapeHtml(reason)}: ${grouped(n)}</title></rect>`;
      x += wide(n);
      return piece;
    });
    const words = reasons
      .slice(0, 3)
      .map(([reason, n]) => `${reason} ${grouped(n)}`)
      .concat(reasons.length > 3 ? [`${reasons.length - 3} more`] : [])
      .join(" · ");
    const next = shown[i + 1];
    const [from, to] = [left + wide(stage.out), left + wide(next?.in ?? 0)];
    const stream = next
      ? `<path d="M${left} ${y + bar}H${from.toFixed(1)}L${to.toFixed(1)} ${y + row}H${left}Z" class="stream"/>`
      : "";
    return `${stream}<a href="#stage-${escapeHtml(stage.name)}"><text x="${left - 12}" y="${y + 18}" text-anchor="end" class="label">${escapeHtml(stage.name)}</text>
<rect x="${left}" y="${y}" width="${wide(stage.out).toFixed(1)}" height="${bar}" class="kept"><title>${grouped(stage.out)} kept of ${grouped(stage.in)}</title></rect>${pieces.join("")}
<text x="${left + wide(stage.in) + 10}" y="${y + 12}" class="strong">${grouped(stage.out)} <tspan class="number">${stage.out === stage.in ? "all kept" : `of ${grouped(stage.in)}, ${percent(stage.out / stage.in)}`}</tspan></text>
<text x="${left + wide(stage.in) + 10}" y="${y + 26}" class="number small">${escapeHtml(words)}</text></a>`;
  });
  return `<svg viewBox="0 0 1000 ${shown.length * row - (row - bar) + 4}" role="img" aria-label="Documents in and out of each stage">${rows.join("\n")}</svg>`;
}

const bins = 44;

/** Whether most values lie so close to the lower end that equal steps would show nothing. */
function isSkewed(low: number, middle: number, high: number): boolean {
  return low >= 0 && high > 50 && high > 12 * Math.max(1, middle);
}

/** Bars between the 0.5th and 99.5th percentile, stretched to the marks; dropped values in the colour of what is lost. */
export function histogram(
  { values, marks, measure, stage }: Distribution,
  dropped: Readonly<Record<string, number>>,
): string {
  const at = (share: number) => values[Math.min(values.length - 1, Math.floor(share * values.length))]!;
  const near = marks.filter(mark => mark.at <= 4 * Math.max(1e-9, at(0.995)) || mark.drops === "below");
  const lines = near.map(mark => mark.at);
  let [low, high] = [Math.min(at(0.005), ...lines), Math.max(at(0.995), ...lines)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const skewed = isSkewed(low, at(0.5), high);
  const place = (value: number) => (skewed ? Math.log1p(value) : value);
  const [from, to] = [place(low), place(high)];
  const counts = new Array<number>(bins).fill(0);
  const lost = new Array<number>(bins).fill(0);
  const isLost = (value: number) =>
    marks.some(mark => (mark.drops === "above" ? value > mark.at : value < mark.at));
  for (const value of values) {
    const bin = Math.floor(((place(value) - from) / (to - from)) * bins);
    const i = Math.max(0, Math.min(bins - 1, bin));
    counts[i]!++;
    if (isLost(value)) lost[i]!++;
  }
  const top = Math.max(...counts);
  const [width, height] = [320, 84];
  const step = width / bins;
  const tall = (n: number) => (n === 0 ? 0 : Math.max(1.5, Math.sqrt(n / top) * height));
  const bars = counts.map((n, i) => {
    if (n === 0) return "";
    const [all, part] = [tall(n), tall(n) * (lost[i]! / n)];
    const box = (y: number, h: number, kind: string) =>
      h <= 0
        ? ""
        : `<rect x="${(i * step + 0.4).toFixed(1)}" y="${y.toFixed(1)}" width="${(step - 0.8).toFixed(1)}" height="${h.toFixed(1)}" class="${kind}"/>`;
    return box(height - all, all - part, "kept") + box(height - part, part, "lost");
  });
  const x = (value: number) => ((place(value) - from) / (to - from)) * width;
  const rules = near.map(
    mark =>
      `<line x1="${x(mark.at).toFixed(1)}" x2="${x(mark.at).toFixed(1)}" y1="-4" y2="${height}" class="threshold"><title>${escapeHtml(mark.reason)} ${mark.drops} ${mark.at}</title></line>`,
  );
  const words = marks.map(({ reason, drops, at }) => {
    const n = reason.split(", ").reduce((sum, one) => sum + (dropped[one] ?? 0), 0);
    return `<span class="rule">${escapeHtml(reason)}: ${drops} ${short(at)}, ${grouped(n)} dropped</span>`;
  });
  const middle = skewed ? Math.expm1((from + to) / 2) : (low + high) / 2;
  const ticks = [
    [0, low, "start"],
    [width / 2, middle, "middle"],
    [width, high, "end"],
  ] as const;
  const name = escapeHtml(measure.replaceAll("_", " "));
  return `<figure class="histogram" data-measure="${escapeHtml(`${stage}.${measure}`)}"><figcaption><b>${name}</b>${skewed ? ' <i title="The axis is logarithmic.">log</i>' : ""}${words.join("")}</figcaption>
<svg viewBox="-2 -5 ${width + 4} ${height + 22}" role="img" aria-label="Distribution of ${name}"><line x1="0" x2="${width}" y1="${height}" y2="${height}" class="grid"/>${bars.join("")}${rules.join("")}${ticks
    .map(
      ([at, value, anchor]) =>
        `<text x="${at}" y="${height + 14}" text-anchor="${anchor}" class="tick">${Math.abs(value) < (high - low) / 1000 ? 0 : short(value)}</text>`,
    )
    .join("")}</svg></figure>`;
}

export function lossChart(steps: readonly Step[]): string {
  const points = steps.filter(step => Number.isFinite(step.loss));
  if (points.length < 2) return "";
  const [width, height] = [1000, 260];
  const last = points[points.length - 1]!.step;
  const losses = points.flatMap(step =>
    step.valLoss === undefined ? [step.loss] : [step.loss, step.valLoss],
  );
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const x = (step: number) => 40 + (step / Math.max(1, last)) * (width - 50);
  const y = (loss: number) => 10 + ((high - loss) / Math.max(1e-9, high - low)) * (height - 34);
  const path = (list: readonly (readonly [number, number])[]) =>
    list.map(([s, l], i) => `${i === 0 ? "M" : "L"}${x(s).toFixed(1)} ${y(l).toFixed(1)}`).join("");
  const thin = Math.max(1, Math.floor(points.length / 800));
  const train = path(points.filter((_, i) => i % thin === 0).map(step => [step.step, step.loss]));
  const checked = points
    .filter(step => step.valLoss !== undefined)
    .map(step => [step.step, step.valLoss!] as const);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(share => low + share * (high - low));
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Loss over steps">
${ticks.map(t => `<line x1="40" x2="${width - 10}" y1="${y(t).toFixed(1)}" y2="${y(t).toFixed(1)}" class="grid"/><text x="34" y="${(y(t) + 4).toFixed(1)}" text-anchor="end" class="tick">${t.toFixed(2)}</text>`).join("")}
<path d="${train}" class="train"/><path d="${path(checked)}" class="val"/>${checked.map(([s, l]) => `<circle cx="${x(s).toFixed(1)}" cy="${y(l).toFixed(1)}" r="3" class="val-dot"><title>step ${s}: ${l.toFixed(4)}</title></circle>`).join("")}
<text x="40" y="${height - 4}" class="tick">step 0</text><text x="${width - 10}" y="${height - 4}" text-anchor="end" class="tick">step ${grouped(last)}</text></svg>
<p class="legend"><span class="key train-key"></span> training loss <span class="key val-key"></span> validation loss, nats a token</p>`;
}
