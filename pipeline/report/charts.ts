/**
 * Drawings of a report as SVG text: the funnel, histograms with their thresholds, bars, the loss curve. Pure; knows
 * numbers and labels only. Colours come from CSS variables of the page, so that dark and print work.
 */
import type { StageStats } from "../stats.ts";
import { droppedTotal } from "../stats.ts";
import type { Counted, Distribution, Step } from "./gather.ts";

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
  return String(Number(n.toPrecision(3)));
};

/** One bar a stage, as wide as the documents that reached it; what it dropped is the darker end. */
export function funnelChart(stages: readonly StageStats[]): string {
  const shown = stages.filter(stage => stage.in > 0 && stage.tokensOut === undefined);
  const widest = Math.max(1, ...shown.map(stage => stage.in));
  const [left, width, row] = [150, 520, 30];
  const rows = shown.map((stage, i) => {
    const lost = droppedTotal(stage) + stage.failed;
    const [all, kept] = [(stage.in / widest) * width, (stage.out / widest) * width];
    const y = i * row;
    const share = stage.in > 0 ? (stage.out / stage.in) * 100 : 0;
    return `<a href="#stage-${escapeHtml(stage.name)}"><text x="${left - 10}" y="${y + 19}" text-anchor="end" class="label">${escapeHtml(stage.name)}</text>
<rect x="${left}" y="${y + 4}" width="${all.toFixed(1)}" height="22" rx="2" class="lost"><title>${grouped(lost)} dropped</title></rect>
<rect x="${left}" y="${y + 4}" width="${kept.toFixed(1)}" height="22" rx="2" class="kept"><title>${grouped(stage.out)} kept</title></rect>
<text x="${left + all + 8}" y="${y + 19}" class="number">${grouped(stage.out)} of ${grouped(stage.in)} (${share.toFixed(share < 10 ? 1 : 0)} %)</text></a>`;
  });
  return `<svg viewBox="0 0 880 ${shown.length * row}" role="img" aria-label="Documents in and out of each stage">${rows.join("\n")}</svg>`;
}

/** 40 bins between the 0.5th and 99.5th percentile; thresholds are lines with their reason. */
export function histogram({ values, thresholds, measure }: Distribution): string {
  if (values.length === 0) return "";
  const at = (share: number) => values[Math.min(values.length - 1, Math.floor(share * values.length))]!;
  const inside = thresholds.map(({ at }) => at);
  let [low, high] = [Math.min(at(0.005), ...inside), Math.max(at(0.995), ...inside)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const bins = new Array<number>(40).fill(0);
  for (const value of values) {
    const bin = Math.floor(((value - low) / (high - low)) * bins.length);
    bins[Math.max(0, Math.min(bins.length - 1, bin))]!++;
  }
  const top = Math.max(...bins);
  const [width, height] = [320, 70];
  const x = (value: number) => ((value - low) / (high - low)) * width;
  const bars = bins.map((n, i) => {
    const h = n === 0 ? 0 : Math.max(1, (Math.sqrt(n) / Math.sqrt(top)) * height);
    return `<rect x="${((i * width) / bins.length).toFixed(1)}" y="${(height - h).toFixed(1)}" width="${(width / bins.length - 0.6).toFixed(1)}" height="${h.toFixed(1)}" class="kept"/>`;
  });
  const lines = thresholds.map(
    ({ at: value, reason }) =>
      `<line x1="${x(value).toFixed(1)}" x2="${x(value).toFixed(1)}" y1="0" y2="${height}" class="threshold"><title>${escapeHtml(reason)} at ${short(value)}</title></line>`,
  );
  const words = thresholds
    .map(({ at: value, reason }) => `${escapeHtml(reason)} at ${short(value)}`)
    .join(", ");
  return `<figure class="histogram"><figcaption>${escapeHtml(measure)}${words ? ` <span class="threshold-words">${words}</span>` : ""}</figcaption>
<svg viewBox="0 -2 ${width} ${height + 16}" role="img" aria-label="Distribution of ${escapeHtml(measure)}">${bars.join("")}${lines.join("")}<text x="0" y="${height + 12}" class="tick">${short(low)}</text><text x="${width}" y="${height + 12}" text-anchor="end" class="tick">${short(high)}</text></svg></figure>`;
}

/** Two columns of counts side by side; names come from pages and are escaped. */
export function barList(list: Counted, total: number): string {
  if (list.length === 0) return '<p class="none">none</p>';
  const top = Math.max(...list.map(([, n]) => n));
  return `<table class="bars">${list
    .map(
      ([name, n]) =>
        `<tr><td>${escapeHtml(name)}</td><td class="bar"><span style="width:${((n / top) * 100).toFixed(1)}%"></span></td><td class="n">${grouped(n)}</td><td class="n">${total > 0 ? `${((n / total) * 100).toFixed(1)} %` : ""}</td></tr>`,
    )
    .join("")}</table>`;
}

export function lossChart(steps: readonly Step[]): string {
  const points = steps.filter(step => Number.isFinite(step.loss));
  if (points.length < 2) return "";
  const [width, height] = [820, 220];
  const last = points[points.length - 1]!.step;
  const losses = points.flatMap(step =>
    step.valLoss === undefined ? [step.loss] : [step.loss, step.valLoss],
  );
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const x = (step: number) => 40 + (step / Math.max(1, last)) * (width - 50);
  const y = (loss: number) => 10 + ((high - loss) / Math.max(1e-9, high - low)) * (height - 30);
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
<text x="40" y="${height - 2}" class="tick">step 0</text><text x="${width - 10}" y="${height - 2}" text-anchor="end" class="tick">step ${grouped(last)}</text></svg>
<p class="legend"><span class="key train-key"></span> training loss <span class="key val-key"></span> validation loss, nats a token</p>`;
}
