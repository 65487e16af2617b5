/** One measure's distribution with its thresholds as lines that can be moved; the count follows at once. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Histogram, Threshold, WhatIfAnswer } from "../../api.ts";
import { ask } from "../ask.ts";
import { count, short } from "../words.ts";
import { Copy } from "./notice.tsx";

const [width, height, foot] = [270, 92, 16];

/** Steps in which a line moves: a value people would write, whole where the measures are whole. */
export function niceStep({ low, high, thresholds }: Histogram): number {
  const rough = (high - low) / 200;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(k => k * power).find(one => one >= rough) ?? rough;
  const whole = high > 20 && thresholds.every(({ at }) => Number.isInteger(at));
  return whole ? Math.max(1, Math.round(step)) : step;
}

export function HistogramView({
  stage,
  histogram,
}: {
  readonly stage: string;
  readonly histogram: Histogram;
}) {
  const { measure, low, high, kept, dropped, thresholds, min, max } = histogram;
  const most = Math.max(1, ...kept.map((n, i) => n + dropped[i]!));
  const x = (value: number) => ((value - low) / (high - low)) * width;
  // Square roots, or the few documents beyond a threshold could not be seen beside the many on its other side.
  const tall = (n: number) => Math.sqrt(n / most) * (height - 6);
  const bar = width / kept.length;
  // The ends' numbers stand beside a threshold there, not under its line.
  const beside = (end: number) => {
    const near = thresholds.map(({ at }) => x(at)).filter(place => Math.abs(place - end) < 24);
    if (near.length === 0) return end;
    return end === 0 ? Math.max(...near, 0) + 5 : Math.min(...near, width) - 5;
  };
  const sum = (counts: readonly number[]) => counts.reduce((before, n) => before + n, 0);
  const said = `distribution of ${measure} from ${short(min)} to ${short(max)}: ${count(sum(kept))} kept, ${count(sum(dropped))} dropped`;
  return (
    <figure class="histogram" style={{ margin: 0 }}>
      <h3>
        {measure}
        <small>{min === max ? `always ${short(min)}` : `${short(min)} – ${short(max)}`}</small>
      </h3>
      <svg viewBox={`0 0 ${width} ${height + foot}`} role="img" aria-label={said}>
        {kept.map((n, i) => {
          const all = tall(n + dropped[i]!);
          const own = n + dropped[i]! > 0 ? (all * n) / (n + dropped[i]!) : 0;
          const left = i * bar;
          return (
            <g key={left}>
              <title>{`${short(low + ((high - low) * i) / kept.length)}: ${count(n)} kept, ${count(dropped[i]!)} dropped`}</title>
              <rect class="d" x={left} y={height - all} width={bar * 0.9} height={Math.max(0, all - own)} />
              <rect class="k" x={left} y={height - own} width={bar * 0.9} height={own} />
            </g>
          );
        })}
        <line x1="0" x2={width} y1={height} y2={height} stroke="var(--line)" />
        <text class="axis" x={beside(0)} y={height + 13}>
          {short(low)}
        </text>
        <text class="axis" x={beside(width)} y={height + 13} text-anchor="end">
          {short(high)}
        </text>
        {thresholds.map(threshold => (
          <line
            key={threshold.option}
            class="was"
            x1={x(threshold.at)}
            x2={x(threshold.at)}
            y1="0"
            y2={height}
          />
        ))}
      </svg>
      {thresholds.map((threshold, i) =>
        threshold.at >= low && threshold.at <= high ? (
          <Line key={threshold.option} {...{ stage, histogram, threshold, below: i }} />
        ) : (
          <p key={threshold.option} class="what-if quiet">
            <code>{threshold.option}</code> drops {threshold.drops} {short(threshold.at)}, beyond what was
            measured.
          </p>
        ),
      )}
    </figure>
  );
}

type LineProps = {
  readonly stage: string;
  readonly histogram: Histogram;
  readonly threshold: Threshold;
  readonly below: number;
};

function Line({ stage, histogram, threshold, below }: LineProps) {
  const { low, high } = histogram;
  const { option, at, drops } = threshold;
  const [value, setValue] = useState(at);
  const [answer, setAnswer] = useState<WhatIfAnswer | null>(null);
  const step = niceStep(histogram);
  const strip = useRef<SVGSVGElement>(null);
  const place = (to: number) => {
    const stepped = Math.round(to / step) * step;
    setValue(Number(Math.max(Math.min(low, at), Math.min(Math.max(high, at), stepped)).toPrecision(6)));
  };
  useEffect(() => {
    if (value === at) return setAnswer(null);
    let gone = false;
    const timer = setTimeout(() => {
      ask<WhatIfAnswer>("/api/what-if", { stage, option, value }).then(
        found => gone || setAnswer(found),
        () => undefined,
      );
    }, 40);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [value, histogram.documents]);
  const drag = (event: PointerEvent) => {
    if (event.buttons === 0 || !strip.current) return;
    const box = strip.current.getBoundingClientRect();
    place(low + ((event.clientX - box.left) / box.width) * (high - low));
  };
  const left = ((value - low) / (high - low)) * width;
  return (
    <>
      <svg
        ref={strip}
        viewBox={`0 0 ${width} 18`}
        class="strip"
        onPointerDown={event => {
          event.currentTarget.setPointerCapture(event.pointerId);
          drag(event);
        }}
        onPointerMove={drag}
        onDblClick={() => setValue(at)}
      >
        <title>{`move ${option}`}</title>
        <rect width={width} height="18" fill="transparent" class="handle" />
        <line class="grip" x1={left} x2={left} y1={-height - foot - 42 * below} y2="4" />
        <line class="cut" x1={left} x2={left} y1={-height - foot - 42 * below} y2="4" />
        <g
          class="handle"
          role="slider"
          tabindex={0}
          aria-label={`${option}: drops ${drops}`}
          aria-valuemin={low}
          aria-valuemax={high}
          aria-valuenow={value}
          aria-valuetext={short(value)}
          aria-keyshortcuts="ArrowLeft ArrowRight Shift+ArrowLeft Shift+ArrowRight Escape"
          transform={`translate(${left} 0)`}
          onKeyDown={event => {
            const by = event.shiftKey ? 10 * step : step;
            if (event.key === "ArrowLeft" || event.key === "ArrowDown") place(value - by);
            else if (event.key === "ArrowRight" || event.key === "ArrowUp") place(value + by);
            else if (event.key === "Escape") setValue(at);
            else return;
            event.preventDefault();
          }}
        >
          <rect x="-9" y="0" width="18" height="18" />
          <path d="M0,2 L6,13 L-6,13 Z" />
        </g>
      </svg>
      <div class="what-if" role="status">
        <code>{option}</code> drops {drops} <b>{short(value)}</b>
        {answer && (
          <>
            {" "}
            (was {short(at)}): <span class="more">{count(answer.newlyKept)} more kept</span>,{" "}
            <span class="fewer">{count(answer.newlyDropped)} more dropped</span>; {count(answer.keptNow)} of{" "}
            {count(answer.in)} pass. In the recipe: <Copy text={answer.yaml} />
            <pre>{answer.yaml}</pre>
          </>
        )}
      </div>
    </>
  );
}
