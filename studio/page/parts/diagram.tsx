/** The network as a drawing: a column for each token, a row for each layer, from the embedding at the foot to the output. */
import type { Inside } from "../../api.ts";
import { percent, short, visible } from "../words.ts";

const [row, left] = [58, 118];

type DiagramProps = {
  readonly inside: Inside;
  readonly layer: number;
  readonly choose: (layer: number) => void;
};

export function Diagram({ inside, layer, choose }: DiagramProps) {
  const { tokens, norms, lens, attention, added } = inside;
  const levels = norms.length;
  // Few tokens take the room there is, many scroll.
  const cell = Math.min(170, Math.max(92, Math.floor(900 / tokens.length)));
  const width = left + tokens.length * cell + 10;
  const height = levels * row + 62;
  const y = (level: number) => height - 44 - (level + 1) * row;
  const x = (t: number) => left + t * cell;
  const longest = norms.map(level => Math.max(...level, 1e-9));
  const clip = (text: string) => {
    const shown = visible(text, true).replaceAll("\n", "");
    const room = Math.floor((cell - 20) / 7.5);
    return shown.length > room ? `${shown.slice(0, room - 1)}…` : shown;
  };
  return (
    <svg
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      aria-label="tokens through the layers; each layer is a button, the numbers stand in the table below"
    >
      <title>tokens through the layers</title>
      {norms.slice(0, -1).map((_, l) => (
        <Streams
          key={l}
          weights={attention[l] ?? []}
          {...{ T: tokens.length, x, from: y(l), to: y(l + 1), chosen: l === layer }}
        />
      ))}
      {added.map((positions, l) => {
        const most = Math.max(...added.flat().map(({ attention: a, mlp }) => Math.max(a, mlp)), 1e-9);
        const wide = (size: number) => Math.max(1, (size / most) * (cell - 40));
        return positions.map(({ attention: looked, mlp }, t) => (
          <g key={`${l}.${t}`}>
            <title>{`layer ${l}, position ${t}: attention adds a vector of length ${short(looked)}, the MLP one of ${short(mlp)}`}</title>
            <rect class="adds-mlp" x={x(t) + 17} y={y(l) - 25} width={wide(mlp)} height="5" rx="1" />
            <rect class="adds-attention" x={x(t) + 17} y={y(l) - 16} width={wide(looked)} height="5" rx="1" />
          </g>
        ));
      })}
      {norms.map((level, l) => {
        const isLayer = l < levels - 1;
        const name = l === 0 ? "embedding" : l === levels - 1 ? "norm, logits" : `after layer ${l - 1}`;
        return (
          <g key={l}>
            <text x="4" y={y(l) + 18} font-weight="600">
              {name}
            </text>
            {isLayer && (
              /* biome-ignore lint/a11y/useSemanticElements: a button within a drawing */
              <g
                role="button"
                tabindex={0}
                aria-label={`attention of layer ${l}`}
                aria-pressed={l === layer}
                class={l === layer ? "chosen" : ""}
                onClick={() => choose(l)}
                onKeyDown={event => {
                  if (event.key !== "Enter" && event.key !== " ") return;
                  event.preventDefault();
                  choose(l);
                }}
              >
                <rect class="block" x="4" y={y(l) - 30} width={left - 22} height="32" rx="5" />
                <text x="12" y={y(l) - 17}>
                  layer {l}: MLP
                </text>
                <text class="soft" x="12" y={y(l) - 4}>
                  attention
                </text>
              </g>
            )}
            {level.map((norm, t) => {
              const guess = lens[l]![t]![0]!;
              return (
                <g key={t}>
                  <title>{`${name}, position ${t}: length ${short(norm)}\n${lens[l]![t]!.map(one => `${visible(one.text, true)} ${percent(one.probability)}`).join("\n")}`}</title>
                  <rect
                    class="cell"
                    x={x(t)}
                    y={y(l) + 6}
                    width="13"
                    height="16"
                    rx="3"
                    opacity={0.15 + (0.85 * norm) / longest[l]!}
                  />
                  <text x={x(t) + 17} y={y(l) + 18} opacity={0.45 + 0.55 * Math.sqrt(guess.probability)}>
                    {clip(guess.text)}
                  </text>
                </g>
              );
            })}
          </g>
        );
      })}
      {tokens.map(({ id, text }, t) => (
        <g key={t}>
          <path class="flow" d={`M${x(t) + 6},${height - 40} V${y(0) + 24}`} />
          <text x={x(t)} y={height - 24} font-weight="600">
            {clip(text)}
          </text>
          <text class="soft" x={x(t)} y={height - 9}>
            {id}
          </text>
        </g>
      ))}
      <text x="4" y={height - 24} font-weight="600">
        tokens
      </text>
      <text class="soft" x="4" y={height - 9}>
        ids
      </text>
    </svg>
  );
}

type StreamsProps = {
  readonly weights: readonly (readonly number[])[];
  readonly T: number;
  readonly x: (t: number) => number;
  readonly from: number;
  readonly to: number;
  readonly chosen: boolean;
};

/** The residual stream of each token upwards, and, for the chosen layer, where its heads look on average. */
function Streams({ weights, T, x, from, to, chosen }: StreamsProps) {
  const lines: preact.ComponentChildren[] = [];
  if (chosen && weights.length > 0) {
    for (let i = 0; i < T; i++) {
      for (let j = 0; j < i; j++) {
        const mean =
          weights.reduce((sum, head) => sum + (head[(i * (i + 1)) / 2 + j] ?? 0), 0) / weights.length;
        if (mean < 0.06) continue;
        lines.push(
          <line
            x1={x(j) + 6}
            y1={from + 6}
            x2={x(i) + 6}
            y2={to + 22}
            stroke="var(--accent)"
            stroke-width={Math.max(0.6, mean * 5)}
            opacity={Math.min(0.85, 0.15 + mean)}
          />,
        );
      }
    }
  }
  return (
    <g>
      {Array.from({ length: T }, (_, t) => (
        <path key={t} class="flow" d={`M${x(t) + 6},${from + 6} V${to + 22}`} />
      ))}
      {lines}
    </g>
  );
}
