/** A line chart over uPlot that follows its container, the theme and new data. Knows no training. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { steppedBy } from "../keys.ts";
import { short } from "../words.ts";

export type Line = {
  readonly label: string;
  /** A CSS colour variable. */
  readonly colour: string;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  readonly dashed?: boolean;
  readonly points?: boolean;
  readonly faint?: boolean;
};

type ChartProps = {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly height?: number;
  readonly logarithmic?: boolean;
  readonly xLabel: string;
};

const variable = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Chart({ title, lines, height = 220, logarithmic = false, xLabel }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = aligned(lines);
  const shape = JSON.stringify([
    title,
    height,
    logarithmic,
    xLabel,
    lines.map(({ x: _x, y: _y, ...rest }) => rest),
  ]);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const draw = () => {
      plot.current?.destroy();
      element.toggleAttribute("data-dark", dark.matches);
      plot.current = new uPlot(
        optionsOf(element.clientWidth, { title, lines, height, logarithmic, xLabel }),
        data,
        element,
      );
      reachLegend(element);
      showLast(plot.current);
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    dark.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => {
    if (plot.current) renew(plot.current, data);
  }, [lines]);
  const walk = (event: KeyboardEvent) => {
    const of = plot.current;
    if (!of || event.target !== place.current) return;
    if (event.key === "Escape") {
      of.setData(of.data);
      of.setCursor({ left: -10, top: -10 });
      return;
    }
    const x = of.data[0];
    const at = of.cursor.idx ?? x.length - (event.key === "ArrowLeft" ? 0 : 1);
    const to = steppedBy(event.key, at, x.length);
    if (to === null) return;
    event.preventDefault();
    const far = event.shiftKey ? Math.max(0, Math.min(x.length - 1, at + 20 * (to - at))) : to;
    of.setCursor({ left: of.valToPos(x[far]!, "x"), top: of.over.clientHeight / 2 });
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a drawing with its legend
    <div
      ref={place}
      class="chart"
      role="group"
      tabindex={0}
      aria-label={`${title}. ${lines.map(inWords).filter(Boolean).join("; ")}. The arrow keys go along it.`}
      onKeyDown={walk}
    />
  );
}

/** A curve for those who cannot see it. */
function inWords({ label, x, y, faint }: Line): string {
  const first = y.findIndex(value => value !== null);
  if (faint || first < 0) return "";
  return `${label} from ${short(y[first]!)} at ${short(x[first]!)} to ${short(y.at(-1) ?? Number.NaN)} at ${short(x.at(-1)!)}`;
}

/** New points of a run that goes on; what was zoomed into stays. */
function renew(plot: uPlot, data: uPlot.AlignedData) {
  const { min, max } = plot.scales["x"]!;
  const x = plot.data[0];
  const ranged = typeof min === "number" && typeof max === "number" && x.length > 1;
  const zoomed = ranged && (min > x[0]! || max < x.at(-1)!);
  plot.setData(data, !zoomed);
  if (zoomed) plot.setScale("x", { min, max });
  showLast(plot);
}

/** Without a pointer the legend tells the last values. */
function showLast(plot: uPlot) {
  if (plot.cursor.idx === null || plot.cursor.idx === undefined)
    plot.setLegend({ idxs: plot.data.map(column => lastIndex(column)) }, false);
}

const lastIndex = (column: ArrayLike<number | null | undefined>): number => {
  for (let i = column.length - 1; i > 0; i--) if (column[i] !== null && column[i] !== undefined) return i;
  return 0;
};

/** A click on a curve's name hides it: so should a key. */
function reachLegend(element: HTMLElement) {
  const names = [...element.querySelectorAll<HTMLElement>(".u-legend .u-series th")].slice(1);
  if (names.length < 2) return;
  for (const name of names) {
    name.tabIndex = 0;
    name.setAttribute("role", "button");
    name.setAttribute("aria-label", `show or hide ${name.textContent}`);
    name.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      name.click();
    });
  }
}

function aligned(lines: readonly Line[]): uPlot.AlignedData {
  if (lines.length === 0) return [[]] as unknown as uPlot.AlignedData;
  const tables = lines.map(({ x, y }) => [[...x], [...y]] as unknown as uPlot.AlignedData);
  return tables.length === 1 ? tables[0]! : uPlot.join(tables);
}

/** Fits beside an axis. */
const brief = (tick: number): string =>
  tick !== 0 && Math.abs(tick) < 1e-3 ? tick.toExponential().replace("e-", "e−") : short(tick);

function optionsOf(
  width: number,
  { title, lines, height = 220, logarithmic = false, xLabel }: ChartProps,
): uPlot.Options {
  const [ink, line] = [variable("--soft"), variable("--line")];
  const axis: uPlot.Axis = {
    stroke: ink,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1 },
  };
  return {
    ...{ width, height, title },
    cursor: { sync: { key: "step" }, drag: { x: true, y: false } },
    hooks: { setCursor: [showLast] },
    scales: { x: { time: false }, y: logarithmic ? { distr: 3 } : {} },
    axes: [
      { ...axis, label: xLabel, labelSize: 18, size: 34 },
      { ...axis, size: 58, values: (_, ticks) => ticks.map(tick => (tick === null ? "" : brief(tick))) },
    ],
    series: [
      { label: xLabel },
      ...lines.map(({ label, colour, dashed, points, faint }): uPlot.Series => {
        const stroke = variable(colour);
        return {
          label,
          stroke: faint ? `color-mix(in srgb, ${stroke} 30%, transparent)` : stroke,
          width: faint ? 1 : 1.75,
          spanGaps: true,
          points: { show: points === true, size: 5, fill: stroke },
          ...(dashed ? { dash: [6, 4] } : {}),
          value: (_, value) => (value === null ? "–" : short(value)),
        };
      }),
    ],
  };
}
