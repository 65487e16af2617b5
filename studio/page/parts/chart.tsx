/** A line chart over uPlot that follows its container, the theme and new data. Knows no training. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
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
    plot.current?.setData(data);
  }, [lines]);
  return <div ref={place} class="chart" role="img" aria-label={title} />;
}

function aligned(lines: readonly Line[]): uPlot.AlignedData {
  if (lines.length === 0) return [[]] as unknown as uPlot.AlignedData;
  const tables = lines.map(({ x, y }) => [[...x], [...y]] as unknown as uPlot.AlignedData);
  return tables.length === 1 ? tables[0]! : uPlot.join(tables);
}

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
    scales: { x: { time: false }, y: logarithmic ? { distr: 3 } : {} },
    axes: [
      { ...axis, label: xLabel, labelSize: 18, size: 34 },
      { ...axis, size: 58, values: (_, ticks) => ticks.map(tick => (tick === null ? "" : short(tick))) },
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
