/** How the model learned: curves of one run or several, and the texts it wrote on the way. */
import { useState } from "preact/hooks";
import type { Spelling, StepMetrics, Training, TrainingRun } from "../../api.ts";
import { ask, useAnswer } from "../ask.ts";
import { useKept } from "../kept.ts";
import { walkButtons } from "../keys.ts";
import type { PageProps } from "../main.tsx";
import { Chart, type Line } from "../parts/chart.tsx";
import { Empty, Notice } from "../parts/notice.tsx";
import { count, seconds, short } from "../words.ts";

const colours = ["--run-1", "--run-2", "--run-3", "--run-4"];

/** Exponential mean without the pull of its beginning (Adam's correction). */
export function smoothed(values: readonly number[], by: number): number[] {
  let [mean, weight] = [0, 0];
  return values.map(value => {
    mean = by * mean + (1 - by) * value;
    weight = by * weight + (1 - by);
    return mean / weight;
  });
}

export function TrainingPage({ run }: PageProps) {
  const { value, error } = useAnswer(`${run.marks.curves} ${run.marks.samples}`, () =>
    ask<Training>("/api/training"),
  );
  const { value: spelling } = useAnswer(`${run.marks.samples} ${run.has.documents}`, () =>
    ask<Spelling>("/api/spelling"),
  );
  const [smooth, setSmooth] = useKept("training.smooth", 0.8);
  const [logarithmic, setLogarithmic] = useKept("training.logarithmic", false);
  const [over, setOver] = useKept<"step" | "tokens">("training.over", "step");
  if (error) return <Notice error={error} />;
  if (!value) return <p class="wait">Reading the curves…</p>;
  const own = value.runs[0]!;
  const runs = value.runs.filter(({ steps }) => steps.length > 0);
  if (runs.length === 0)
    return (
      <Empty title="Nothing was trained yet">The curves begin with the first step of the stage train.</Empty>
    );
  const last = own.steps.at(-1);
  const name = (one: TrainingRun, what: string) => (runs.length > 1 ? `${one.name} ${what}` : what);
  const x = (steps: readonly StepMetrics[]) => steps.map(step => step[over] as number);
  const lines = (
    pick: (step: StepMetrics) => number | null | undefined,
    what: string,
    smoothBy = 0,
  ): Line[] =>
    runs.map((one, i) => {
      const steps = one.steps.filter(step => Number.isFinite(pick(step) ?? Number.NaN));
      const values = steps.map(step => pick(step)!);
      return {
        ...{ label: name(one, what), colour: colours[i % 4]!, x: x(steps) },
        y: smoothBy > 0 ? smoothed(values, smoothBy) : values,
      };
    });
  const losses: Line[] = [
    ...(smooth > 0
      ? lines(step => step.loss, "loss of the step").map(line => ({ ...line, faint: true }))
      : []),
    ...lines(step => step.loss, smooth > 0 ? "loss, smoothed" : "loss", smooth),
    ...lines(step => step.valLoss, "validation").map(line => ({ ...line, dashed: true, points: true })),
  ];
  const validation = own.steps.filter(step => step.valLoss !== undefined).at(-1);
  return (
    <>
      <h1>Training</h1>
      <div class="facts">
        {last && (
          <>
            <Fact
              value={`${count(last.step)}${own.totalSteps ? ` of ${count(own.totalSteps)}` : ""}`}
              label="steps"
            />
            <Fact value={count(last.tokens)} label="tokens seen" />
            <Fact value={last.loss.toFixed(3)} label="training loss, nats a token" />
            {validation && (
              <Fact
                value={validation.valLoss!.toFixed(3)}
                label={`validation loss${validation.valBitsPerByte ? `, ${validation.valBitsPerByte.toFixed(3)} bits a byte` : ""}`}
              />
            )}
            <Fact value={count(last.tokensPerSecond)} label="tokens a second" />
            {typeof spelling?.from === "number" && (
              <button type="button" class="fact-link" onClick={() => goToSample(spelling.from!)}>
                <b>step {count(spelling.from)}</b>
                <span>it begins to spell: see below</span>
              </button>
            )}
            {own.totalSteps && own.totalSteps > last.step && (
              <Fact value={seconds(((own.totalSteps - last.step) * last.ms) / 1000)} label="left" />
            )}
          </>
        )}
      </div>
      <div class="controls">
        <label>
          smoothing
          <input
            type="range"
            min="0"
            max="0.98"
            step="0.02"
            value={smooth}
            onInput={event => setSmooth(Number(event.currentTarget.value))}
          />
          {smooth === 0 ? "none" : smooth.toFixed(2)}
        </label>
        <label>
          <input
            type="checkbox"
            checked={logarithmic}
            onChange={event => setLogarithmic(event.currentTarget.checked)}
          />
          logarithmic
        </label>
        <label>
          over
          <select value={over} onChange={event => setOver(event.currentTarget.value as "step" | "tokens")}>
            <option value="step">steps</option>
            <option value="tokens">tokens</option>
          </select>
        </label>
        <span class="quiet how">
          Point at a curve, or go along it with the arrow keys. Drag across to zoom, double-click or Escape to
          see all.
        </span>
      </div>
      <div class="charts">
        <div class="wide card">
          <Chart
            title="Loss, nats a token"
            lines={losses}
            height={320}
            logarithmic={logarithmic}
            xLabel={over}
          />
        </div>
        <div class="card">
          <Chart title="Learning rate" lines={lines(step => step.lr, "learning rate")} xLabel={over} />
        </div>
        <div class="card">
          <Chart
            title="Gradient norm before clipping"
            lines={lines(step => step.gradNorm, "gradient norm")}
            logarithmic={logarithmic}
            xLabel={over}
          />
        </div>
        <div class="card">
          <Chart
            title="Tokens a second"
            lines={lines(step => step.tokensPerSecond, "tokens/s")}
            xLabel={over}
          />
        </div>
        <div class="card">
          <Chart
            title="Model FLOPs utilisation (MFU), %"
            lines={lines(step => (typeof step.mfu === "number" ? 100 * step.mfu : step.mfu), "MFU, %")}
            xLabel={over}
          />
        </div>
      </div>
      <Kernels steps={own.steps} />
      <Samples run={own} spelling={spelling} />
    </>
  );
}

const Fact = ({ value, label }: { readonly value: string; readonly label: string }) => (
  <div>
    <b>{value}</b>
    <span>{label}</span>
  </div>
);

/** Time by kernel, where the device could measure it. */
function Kernels({ steps }: { readonly steps: readonly StepMetrics[] }) {
  const timed = steps.filter(step => step["kernels"] && typeof step["kernels"] === "object").at(-1);
  if (!timed) return null;
  const rows = Object.entries(timed["kernels"] as Record<string, number>).sort(([, a], [, b]) => b - a);
  const most = rows[0]?.[1] ?? 1;
  return (
    <>
      <h2>Where step {count(timed.step)} spent its time</h2>
      <table class="reasons">
        <tbody>
          {rows.map(([kernel, ms]) => (
            <tr key={kernel}>
              <td>{kernel}</td>
              <td class="number">{short(ms)} ms</td>
              <td style={{ width: "45%" }}>
                <span class="bar" style={{ width: `${(ms / most) * 100}%`, background: "var(--kept)" }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Samples({ run, spelling }: { readonly run: TrainingRun; readonly spelling: Spelling | null }) {
  const [newest, setNewest] = useState(false);
  const lossAt = new Map(run.steps.map(({ step, loss }) => [step, loss]));
  const samples = newest ? [...run.samples].reverse() : run.samples;
  const strangeAt = new Map(spelling?.samples.map(({ step, strange }) => [step, new Set(strange)]));
  if (samples.length === 0) return null;
  return (
    <>
      <h2>
        How it learned to write{" "}
        <button type="button" class="small tool" onClick={() => setNewest(!newest)}>
          {newest ? "oldest first" : "newest first"}
        </button>
      </h2>
      {spelling && spelling.known > 0 && <SpellingStrip spelling={spelling} />}
      <ol class="timeline">
        {samples.map(({ step, text }) => (
          <li key={step} id={`sample-${step}`} tabindex={-1}>
            <span class="step">
              step {count(step)}
              {lossAt.has(step) && ` · loss ${lossAt.get(step)!.toFixed(2)}`}
            </span>
            <p>
              <Spelled text={text.trim()} strange={strangeAt.get(step) ?? nothing} />
            </p>
          </li>
        ))}
      </ol>
    </>
  );
}

const nothing: ReadonlySet<string> = new Set();
const word = /\p{L}[\p{L}\p{M}]*(?:['’]\p{L}+)*/gu;

/** Words that the corpus does not know are underlined. */
function Spelled({ text, strange }: { readonly text: string; readonly strange: ReadonlySet<string> }) {
  const parts: preact.ComponentChildren[] = [];
  let from = 0;
  for (const match of text.matchAll(word)) {
    if (!strange.has(match[0].toLowerCase())) continue;
    parts.push(text.slice(from, match.index));
    parts.push(
      <span class="strange" title="no word of the corpus">
        {match[0]}
      </span>,
    );
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return <>{parts}</>;
}

const ofSamples = 5;

function goToSample(step: number) {
  const place = document.getElementById(`sample-${step}`);
  place?.scrollIntoView({ block: "center" });
  place?.focus({ preventScroll: true });
  place?.animate([{ background: "var(--mark)" }, { background: "transparent" }], 1500);
}

/** One bar a sample: how many of the words it put together exist, over it and the four after. */
function SpellingStrip({ spelling }: { readonly spelling: Spelling }) {
  const { samples, from, known } = spelling;
  const shares = samples.map((_, i) => {
    const near = samples.slice(i, i + ofSamples);
    const made = near.reduce((sum, one) => sum + one.made, 0);
    return made > 0 ? near.reduce((sum, one) => sum + one.right, 0) / made : 0;
  });
  const most = Math.max(0.5, ...shares);
  return (
    <figure class="spelling card">
      <figcaption>
        {from === null ? (
          <b>It does not spell yet.</b>
        ) : (
          <b>
            It begins to spell at{" "}
            <button type="button" class="small" onClick={() => goToSample(from)}>
              step {count(from)}
            </button>
            .
          </b>
        )}{" "}
        <span class="quiet">
          Most words are one token and come right from the start; the bars are the words it put together from
          several tokens: how many of them exist, over five samples, up to {Math.round(most * 100)} %. A word
          exists when the corpus has it ({count(known)} words); others are{" "}
          <span class="strange">underlined</span>. <span class="how">Click a bar to read its sample.</span>
        </span>
      </figcaption>
      {/* biome-ignore lint/a11y/useSemanticElements: a row of bars */}
      <div
        class="bars"
        role="group"
        aria-label="words put together that exist, sample by sample; the arrow keys go through them"
        onKeyDown={event => walkButtons(event, "button")}
      >
        {samples.map(({ step, made, right }, i) => {
          const said = `step ${count(step)}: ${right} of ${made} put together exist; ${Math.round(shares[i]! * 100)} % over five samples`;
          return (
            <button
              key={step}
              type="button"
              class={from !== null && step >= from ? "spelled" : ""}
              tabindex={i === 0 ? 0 : -1}
              aria-label={said}
              title={said}
              onClick={() => goToSample(step)}
            >
              <span style={{ height: `${(shares[i]! / most) * 100}%` }} />
            </button>
          );
        })}
        <span
          class="third"
          style={{ bottom: `${(1 / 3 / most) * 100}%` }}
          title="a third"
          aria-hidden="true"
        />
      </div>
      <div class="bars-foot quiet" aria-hidden="true">
        <span>step {count(samples[0]?.step ?? 0)}</span>
        <span>dashed: a third</span>
        <span>step {count(samples.at(-1)?.step ?? 0)}</span>
      </div>
    </figure>
  );
}
