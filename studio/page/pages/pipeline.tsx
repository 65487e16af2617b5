/** The funnel, stage by stage, and for the chosen stage why it dropped, what it measured, what another line would do. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Histogram, RunOverview, StageMeasures, StageNumbers } from "../../api.ts";
import { ask, useAnswer } from "../ask.ts";
import type { PageProps } from "../main.tsx";
import { HistogramView } from "../parts/histogram.tsx";
import { Copy, Notice } from "../parts/notice.tsx";
import { bytes, count, seconds, share } from "../words.ts";

export function PipelinePage({ run, rest }: PageProps) {
  // Counts grow while the run goes on: what is shown at first is not taken from under the reader's eyes by another.
  const first = useRef<string | null>(null);
  first.current ??= worstOf(run);
  const chosen = rest.get("stage") ?? first.current ?? "read";
  const stage = run.stages.find(({ name }) => name === chosen) ?? run.stages[0]!;
  const read = run.stages[0]!;
  const kept = lastDocuments(run);
  const tokens = run.stages.find(({ tokensOut }) => tokensOut !== null)?.tokensOut ?? null;
  const trained = run.stages.some(({ name, cpuSeconds }) => name === "train" && cpuSeconds > 0);
  const cpu = run.stages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  return (
    <>
      <h1>From crawl to corpus</h1>
      <p class="lead">
        Every document of the run is in this drawing: kept in the band, dropped at its sides. Choose a stage
        to see why it dropped pages, and drag a threshold to see how many more or fewer another one would
        keep.
      </p>
      <div class="facts">
        <Fact value={count(read.in)} label={`records read, ${bytes(read.bytesIn)}`} />
        <Fact value={count(kept.out)} label={`documents kept, ${share(kept.out, read.in)}`} />
        <Fact value={bytes(kept.bytesOut)} label="of text" />
        {tokens !== null && <Fact value={count(tokens)} label="tokens" />}
        <Fact value={seconds(cpu)} label={`of CPU time${trained ? ", training included" : ""}`} />
      </div>
      <div class="pipeline">
        <fieldset class="funnel" aria-label="Stages">
          <Phases run={run} />
          {run.stages.map(one => (
            <StageRow
              key={one.name}
              stage={one}
              most={read.in}
              chosen={one.name === stage.name}
              running={isRunning(run, one.name)}
            />
          ))}
        </fieldset>
        <section class="detail card">
          <StageDetail key={stage.name} stage={stage} mark={run.marks.corpus} />
        </section>
      </div>
    </>
  );
}

const Fact = ({ value, label }: { readonly value: string; readonly label: string }) => (
  <div>
    <b>{value}</b>
    <span>{label}</span>
  </div>
);

const lost = (stage: StageNumbers) => stage.in - stage.out;

/** The filter that dropped most; null before one has dropped anything. */
function worstOf({ stages }: RunOverview): string | null {
  const judging = stages.filter(stage => stage.name !== "read" && stage.replayable && lost(stage) > 0);
  return [...judging].sort((a, b) => lost(b) - lost(a))[0]?.name ?? null;
}

/** A phase is named after its stage, some with a word more. */
const isRunning = ({ state, phases }: RunOverview, stage: string): boolean =>
  state === "running" &&
  phases.some(({ name, state: at }) => at === "running" && (name === stage || name.startsWith(`${stage}-`)));

/** The last stage that documents came out of. */
function lastDocuments({ stages }: RunOverview): StageNumbers {
  const index = stages.findIndex(({ name }) => name === "tokenizer");
  const documents = (index < 0 ? stages : stages.slice(0, index)).filter(stage => stage.in > 0);
  return documents.at(-1) ?? stages[0]!;
}

type StageRowProps = {
  readonly stage: StageNumbers;
  readonly most: number;
  readonly chosen: boolean;
  readonly running: boolean;
};

function StageRow({ stage, most, chosen, running }: StageRowProps) {
  const half = (n: number) => (most > 0 ? (n / most) * 50 : 0);
  const [top, bottom] = [half(stage.in), half(stage.out)];
  const dropped = lost(stage);
  const makesDocuments = stage.in > 0;
  return (
    <button
      type="button"
      class={`stage-row ${makesDocuments || running || stage.cpuSeconds > 0 ? "" : "waiting"}`}
      aria-pressed={chosen}
      title={stage.about}
      onClick={() => {
        location.hash = `#/pipeline?stage=${encodeURIComponent(stage.name)}`;
      }}
    >
      <span class="stage-name">{stage.name}</span>
      <svg viewBox="0 0 100 46" preserveAspectRatio="none" aria-hidden="true">
        <polygon class="lost" points={`${50 - top},0 ${50 + top},0 ${50 + top},46 ${50 - top},46`} />
        <polygon class="band" points={`${50 - top},0 ${50 + top},0 ${50 + bottom},46 ${50 - bottom},46`} />
      </svg>
      <span class="stage-numbers">
        {stage.tokensOut !== null
          ? `${count(stage.tokensOut)} tokens`
          : makesDocuments
            ? count(stage.out)
            : ""}
        {dropped > 0 && <small title={`${count(dropped)} dropped here`}>−{count(dropped)}</small>}
        {running && <small class="running">running</small>}
        {!makesDocuments && !running && stage.cpuSeconds > 0 && (
          <span class="quiet">{seconds(stage.cpuSeconds)}</span>
        )}
      </span>
    </button>
  );
}

/** What is going on now; nothing once all is done. */
function Phases({ run }: { readonly run: RunOverview }) {
  const running = run.phases.filter(({ state }) => state !== "done" && state !== "waiting");
  const ended = run.phases.findLast(({ state }) => state === "done");
  if (run.state === "stopped" && running.length === 0 && ended)
    return (
      <p class="notice" role="status">
        The run stopped after phase {ended.name}; <code>curate run</code> without <code>--until</code> goes on
        from there.
      </p>
    );
  if (run.state === "failed" || run.state === "cut off" || run.state === "stopped")
    return (
      <p class="notice bad" role="status">
        {run.state === "failed"
          ? "The run failed"
          : run.state === "stopped"
            ? "The run was stopped"
            : "The run was cut off"}
        {running[0] && <> in phase {running[0].name}</>}
        {run.error === null ? "." : <>: {run.error.replace(/\.?\n/, ". ").replace(/\.?$/, ".")}</>} What had
        ended until then is shown; the same <code>curate run</code> goes on from there.
      </p>
    );
  if (run.state === "done" || running.length === 0) return null;
  const done = run.phases.filter(({ state }) => state === "done").length;
  return (
    <p class="quiet">
      Phase {done + 1} of {run.phases.length}: {running.map(({ name }) => name).join(", ")}
      {running[0]!.jobs > 1 && `, ${count(running[0]!.ended)} of ${count(running[0]!.jobs)} parts`}.{" "}
      {running[0]!.name === "train" ? (
        <>
          Its curves grow in <a href="#/training">Training</a>.
        </>
      ) : (
        "Numbers follow as parts end."
      )}
    </p>
  );
}

/** Stages whose work is shown on a page of its own. */
const elsewhere: Readonly<Record<string, readonly [page: string, what: string]>> = {
  tokenizer: ["tokenizer", "The vocabulary and how it cuts a text"],
  train: ["training", "The curves, and what it wrote on the way"],
  sample: ["playground", "Let the model write"],
};

function StageDetail({ stage, mark }: { readonly stage: StageNumbers; readonly mark: string }) {
  const reasons = Object.entries(stage.dropped).sort(([, a], [, b]) => b - a);
  if (stage.failed > 0) reasons.push(["failed", stage.failed]);
  const most = Math.max(1, ...reasons.map(([, n]) => n));
  return (
    <>
      <h2 class="stage-title">{stage.name}</h2>
      <p class="lead">{stage.about}</p>
      {stage.in > 0 && (
        <p>
          {count(stage.in)} in, <b>{count(stage.out)}</b> out ({share(stage.out, stage.in)}),{" "}
          {stage.cpuSeconds >= 0.05 ? (
            <>
              {count(stage.in / stage.cpuSeconds)} documents per CPU second, {seconds(stage.cpuSeconds)} in
              all,{" "}
            </>
          ) : (
            stage.cpuSeconds > 0 && "less than 0.1 s of CPU time, "
          )}
          {bytes(stage.bytesOut)} out
        </p>
      )}
      {reasons.length > 0 && (
        <table class="reasons">
          <tbody>
            {reasons.map(([reason, n]) => (
              <tr key={reason}>
                <td>
                  <a
                    href={`#/documents?state=rejected&stage=${stage.name}&reason=${encodeURIComponent(reason)}`}
                  >
                    {reason}
                  </a>
                </td>
                <td class="number">{count(n)}</td>
                <td class="number quiet">{share(n, stage.in)}</td>
                <td style={{ width: "30%" }}>
                  <span class="bar" aria-hidden="true" style={{ width: `${(n / most) * 100}%` }} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {reasons.length > 0 && <p class="quiet how">Click a reason to read the pages it dropped.</p>}
      {elsewhere[stage.name] && (
        <p>
          <a href={`#/${elsewhere[stage.name]![0]}`}>{elsewhere[stage.name]![1]}</a>
        </p>
      )}
      <Measures stage={stage} mark={mark} />
      {stage.yaml && (
        <details>
          <summary>In the recipe</summary>
          <pre>{stage.yaml}</pre>
          <Copy text={stage.yaml} />
        </details>
      )}
    </>
  );
}

function Measures({ stage, mark }: { readonly stage: StageNumbers; readonly mark: string }) {
  const { value, error, busy } = useAnswer(`${stage.name} ${mark}`, async () =>
    stage.in > 0 && stage.name !== "read"
      ? ask<StageMeasures>("/api/measures", { stage: stage.name }).catch(() => null)
      : null,
  );
  const [order, setOrder] = useState<"lines" | "all">("lines");
  useEffect(() => setOrder("lines"), [stage.name]);
  if (error) return <Notice error={error} />;
  if (stage.in === 0 && stage.cpuSeconds === 0)
    return <p class="quiet">Nothing has come to this stage yet.</p>;
  if (!value || value.histograms.length === 0)
    return busy ? (
      <p class="wait">Reading measures…</p>
    ) : (
      <p class="quiet">This stage has no measures of documents.</p>
    );
  // The rules that drop most come first.
  const drops = ({ thresholds }: Histogram) =>
    Math.max(0, ...thresholds.map(({ reason }) => stage.dropped[reason] ?? 0));
  const ruled = value.histograms
    .filter(({ thresholds }) => thresholds.length > 0)
    .sort((a, b) => drops(b) - drops(a));
  const shown = order === "lines" && ruled.length > 0 ? ruled : value.histograms;
  return (
    <>
      <h2>
        What it measured{" "}
        {ruled.length > 0 && ruled.length < value.histograms.length && (
          <button
            type="button"
            class="small tool"
            onClick={() => setOrder(order === "lines" ? "all" : "lines")}
          >
            {order === "lines" ? `show all ${value.histograms.length}` : "only those with a threshold"}
          </button>
        )}
      </h2>
      <p class="quiet">
        Documents by value: <span style={{ color: "var(--kept)" }}>■</span> kept,{" "}
        <span style={{ color: "var(--dropped)" }}>■</span> dropped by any rule of this stage.{" "}
        <span class="how">
          Drag a line, or move it with the arrow keys, to see how many more or fewer would be kept.
        </span>
      </p>
      <div class="histograms">
        {shown.map(histogram => (
          <HistogramView key={histogram.measure} stage={stage.name} histogram={histogram} />
        ))}
      </div>
    </>
  );
}
