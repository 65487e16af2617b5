/** The network on a short prompt: tokens flowing up through the layers, heads as maps, what each layer would say next. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Inside, TensorWindow } from "../../api.ts";
import { ask, post, useAnswer } from "../ask.ts";
import { useKept } from "../kept.ts";
import type { PageProps } from "../main.tsx";
import { Diagram } from "../parts/diagram.tsx";
import { Empty, Notice } from "../parts/notice.tsx";
import { Scale } from "../parts/scale.tsx";
import { count, percent, short, visible } from "../words.ts";

export function InsidePage({ run, rest }: PageProps) {
  const [prompt, setPrompt] = useKept("inside.prompt", "In the morning the");
  const [layer, setLayer] = useKept("inside.layer", 0);
  const [tensor, setTensor] = useKept("inside.tensor", "wte");
  const given = rest.get("prompt");
  useEffect(() => {
    if (given !== null) setPrompt(given);
  }, [given]);
  const { value, error, busy } = useAnswer(run.has.model ? `${prompt} ` : "", () =>
    post<Inside>("/api/inside", { prompt }),
  );
  if (!run.has.model)
    return <Empty title="No model yet">It can be looked into from its first checkpoint on.</Empty>;
  return (
    <>
      <h1>Inside the network</h1>
      <div class="controls">
        <label>
          prompt{" "}
          <input
            size={44}
            value={prompt}
            onChange={event => setPrompt(event.currentTarget.value)}
            aria-label="Prompt to look at"
          />
        </label>
        {value && (
          <span class="quiet">
            {count(value.parameters)} parameters, {String(value.config["layers"])} layers of{" "}
            {String(value.config["heads"])} heads, width {String(value.config["width"])}
          </span>
        )}
      </div>
      {error && <Notice error={error} />}
      {!value && busy && <p class="wait">Running the model…</p>}
      {value && (
        <>
          <p class="lead">
            Each column is a token on its way up; a square's shade is the length of its residual stream, the
            word beside it what the model would say next if that layer were the last. Between the rows: how
            much <span class="key adds-attention" /> attention and <span class="key adds-mlp" /> MLP add.{" "}
            <span class="how">Click a layer to see where its heads look.</span>
          </p>
          <div class="network card">
            <Diagram inside={value} layer={layer} choose={setLayer} />
          </div>
          <Lengths inside={value} />
          <h2>Attention of layer {layer}</h2>
          <p class="quiet">
            Row: the token that looks. Column: where it looks. The stronger the colour, the more.{" "}
            <span class="how">Point at a cell for its number, or go through them with the arrow keys.</span>
          </p>
          <div class="maps" style={{ "--map-width": `${Math.max(190, 72 + 13 * value.tokens.length)}px` }}>
            {(value.attention[layer] ?? []).map((head, i) => (
              <AttentionMap key={i} head={i} weights={head} tokens={value.tokens.map(({ text }) => text)} />
            ))}
          </div>
          <Lens inside={value} />
          <h2>The parts at scale</h2>
          <p class="quiet">
            Each rectangle is a matrix, one unit of width and height for each input and output; the number
            below says how many parameters it has. <span class="how">Click one to see them.</span>
          </p>
          <Scale tensors={value.tensors} choose={setTensor} />
          <Parameters inside={value} name={tensor} choose={setTensor} />
        </>
      )}
    </>
  );
}

type Place = readonly [row: number, column: number];

/** Where an arrow key leads to within a table; null for other keys. */
function movedBy(key: string, [row, column]: Place, [rows, columns]: Place): Place | null {
  if (key === "ArrowUp") return [Math.max(0, row - 1), column];
  if (key === "ArrowDown") return [Math.min(rows - 1, row + 1), column];
  if (key === "ArrowLeft") return [row, Math.max(0, column - 1)];
  if (key === "ArrowRight") return [row, Math.min(columns - 1, column + 1)];
  return null;
}

/** The drawing's numbers, for print and for those who do not point. */
function Lengths({ inside }: { readonly inside: Inside }) {
  const { tokens, norms, added } = inside;
  const levels = norms.map((_, l) => l).reverse();
  return (
    <details>
      <summary class="quiet">the numbers of this drawing</summary>
      <div class="scroll">
        <table class="lens">
          <thead>
            <tr>
              <th>length; what attention and MLP add above it</th>
              {tokens.map(({ text }, t) => (
                <th key={t} class="mono">
                  {visible(text, true)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {levels.map(l => (
              <tr key={l}>
                <th>
                  {l === 0 ? "embedding" : l === norms.length - 1 ? "norm, logits" : `after layer ${l - 1}`}
                </th>
                {norms[l]!.map((norm, t) => (
                  <td key={t}>
                    {short(norm)}
                    {added[l] && (
                      <span class="quiet">
                        {" "}
                        +{short(added[l][t]!.attention)} +{short(added[l][t]!.mlp)}
                      </span>
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

type MapProps = {
  readonly head: number;
  readonly weights: readonly number[];
  readonly tokens: readonly string[];
};

function AttentionMap({ head, weights, tokens }: MapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [at, setAt] = useState<Place | null>(null);
  const T = tokens.length;
  const weight = (i: number, j: number) => (j > i ? 0 : (weights[(i * (i + 1)) / 2 + j] ?? 0));
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(T, T);
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    // Shades of one colour over whatever lies behind, so that paper is as good as a dark screen.
    const ink = dark ? [92, 196, 186] : [11, 110, 105];
    for (let i = 0; i < T; i++) {
      for (let j = 0; j <= i; j++) {
        const at = 4 * (i * T + j);
        for (let c = 0; c < 3; c++) image.data[at + c] = ink[c]!;
        image.data[at + 3] = 255 * Math.sqrt(weight(i, j));
      }
    }
    context.putImageData(image, 0, 0);
  }, [weights, T]);
  return (
    <figure style={{ margin: 0 }}>
      <figcaption class="quiet">
        head {head}
        {at && (
          <span role="status">
            {" "}
            · <code>{visible(tokens[at[0]]!, true)}</code> → <code>{visible(tokens[at[1]]!, true)}</code>{" "}
            <b>{percent(weight(at[0], at[1]))}</b>
          </span>
        )}
      </figcaption>
      <div class="map">
        <div class="map-side" aria-hidden="true">
          {tokens.map((text, i) => (
            <span key={i}>{visible(text, true)}</span>
          ))}
        </div>
        <canvas
          ref={canvas}
          width={T}
          height={T}
          role="img"
          tabindex={0}
          aria-label={`attention of head ${head}; the arrow keys go through its cells`}
          onKeyDown={event => {
            const [i, j] = movedBy(event.key, at ?? [T - 1, T - 1], [T, T]) ?? [-1, -1];
            if (event.key === "Escape") setAt(null);
            if (i < 0) return;
            event.preventDefault();
            setAt([i, Math.min(i, j)]);
          }}
          onMouseMove={event => {
            const box = event.currentTarget.getBoundingClientRect();
            const place = (offset: number, side: number) =>
              Math.max(0, Math.min(T - 1, Math.floor((offset / side) * T)));
            setAt([place(event.clientY - box.top, box.height), place(event.clientX - box.left, box.width)]);
          }}
          onMouseLeave={() => setAt(null)}
        />
        <div class="map-foot" aria-hidden="true">
          {tokens.map((text, i) => (
            <span key={i}>{visible(text, true)}</span>
          ))}
        </div>
      </div>
    </figure>
  );
}

function Lens({ inside }: { readonly inside: Inside }) {
  const { tokens, lens } = inside;
  const [position, setPosition] = useState(-1);
  const at = position < 0 || position >= tokens.length ? tokens.length - 1 : position;
  return (
    <>
      <h2>What each layer would say next</h2>
      <div class="controls">
        <label>
          after
          <select value={at} onChange={event => setPosition(Number(event.currentTarget.value))}>
            {tokens.map(({ text }, i) => (
              <option key={i} value={i}>
                {i}: {visible(text, true)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div class="scroll">
        <table class="lens">
          <tbody>
            {lens
              .map((layer, i) => (
                <tr key={i}>
                  <th>
                    {i === 0 ? "embedding" : i === lens.length - 1 ? "norm, logits" : `after layer ${i - 1}`}
                  </th>
                  {layer[at]!.map(({ id, text, probability }) => (
                    <td
                      key={id}
                      style={{
                        background: `color-mix(in srgb, var(--kept) ${Math.round(probability * 50)}%, transparent)`,
                      }}
                    >
                      <code>{visible(text, true)}</code> {percent(probability)}
                    </td>
                  ))}
                </tr>
              ))
              .reverse()}
          </tbody>
        </table>
      </div>
    </>
  );
}

const side = 128;

type ParametersProps = {
  readonly inside: Inside;
  readonly name: string;
  readonly choose: (name: string) => void;
};

function Parameters({ inside, name, choose }: ParametersProps) {
  const [corner, setCorner] = useState<Place>([0, 0]);
  const [over, setOver] = useState<Place | null>(null);
  const { value, error } = useAnswer(`${name} ${corner}`, () =>
    ask<TensorWindow>("/api/tensor", { name, row: corner[0], column: corner[1] }),
  );
  useEffect(() => setCorner([0, 0]), [name]);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !value) return;
    const image = context.createImageData(value.columns, value.rows);
    const scale = 2.5 * value.deviation || 1;
    value.values.forEach((number, i) => {
      const strength = Math.max(-1, Math.min(1, number / scale));
      const colour = strength > 0 ? [11, 110, 105] : [181, 86, 42];
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = 250 + (colour[c]! - 250) * Math.abs(strength);
      image.data[4 * i + 3] = 255;
    });
    context.putImageData(image, 0, 0);
  }, [value]);
  const [rows = 1, columns = 1] = value
    ? value.shape.length === 2
      ? value.shape
      : [1, value.shape[0]!]
    : [];
  const move = (down: number, right: number) =>
    setCorner([
      Math.max(0, Math.min(Math.max(0, rows - side), corner[0] + down)),
      Math.max(0, Math.min(Math.max(0, columns - side), corner[1] + right)),
    ]);
  return (
    <>
      <h2>Every parameter</h2>
      <div class="controls">
        <label>
          tensor
          <select value={name} onChange={event => choose(event.currentTarget.value)}>
            {inside.tensors.map(({ name: one, shape }) => (
              <option key={one} value={one}>
                {one} ({shape.join(" × ")})
              </option>
            ))}
          </select>
        </label>
        <button
          type="button"
          onClick={() => move(-side, 0)}
          disabled={corner[0] === 0}
          aria-label="rows before"
          title="rows before"
        >
          ↑
        </button>
        <button
          type="button"
          onClick={() => move(side, 0)}
          disabled={corner[0] + side >= rows}
          aria-label="rows after"
          title="rows after"
        >
          ↓
        </button>
        <button
          type="button"
          onClick={() => move(0, -side)}
          disabled={corner[1] === 0}
          aria-label="columns before"
          title="columns before"
        >
          ←
        </button>
        <button
          type="button"
          onClick={() => move(0, side)}
          disabled={corner[1] + side >= columns}
          aria-label="columns after"
          title="columns after"
        >
          →
        </button>
        {value && (
          <span class="quiet">
            {short(value.min)} to {short(value.max)}, deviation {short(value.deviation)}; rows {value.row}–
            {value.row + value.rows - 1}, columns {value.column}–{value.column + value.columns - 1}
          </span>
        )}
      </div>
      {error && <Notice error={error} />}
      {value && (
        <figure style={{ margin: 0, maxWidth: "640px" }}>
          <canvas
            ref={canvas}
            width={value.columns}
            height={value.rows}
            style={{
              width: "100%",
              imageRendering: "pixelated",
              border: "1px solid var(--line)",
              minHeight: "14px",
            }}
            role="img"
            tabindex={0}
            aria-label={`values of ${name}; the arrow keys go through them`}
            onKeyDown={event => {
              if (event.key === "Escape") setOver(null);
              const to = over
                ? movedBy(event.key, over, [value.rows, value.columns])
                : event.key.startsWith("Arrow")
                  ? ([0, 0] as const)
                  : null;
              if (!to) return;
              event.preventDefault();
              setOver(to);
            }}
            onMouseMove={event => {
              const box = event.currentTarget.getBoundingClientRect();
              setOver([
                Math.min(value.rows - 1, Math.floor(((event.clientY - box.top) / box.height) * value.rows)),
                Math.min(
                  value.columns - 1,
                  Math.floor(((event.clientX - box.left) / box.width) * value.columns),
                ),
              ]);
            }}
            onMouseLeave={() => setOver(null)}
          />
          <figcaption class="quiet mono">
            <span role="status">
              {over
                ? `${name}[${value.row + over[0]}, ${value.column + over[1]}] = ${value.values[over[0] * value.columns + over[1]]}`
                : `${name}: point at a value, or go through them with the arrow keys`}
            </span>
          </figcaption>
        </figure>
      )}
    </>
  );
}
