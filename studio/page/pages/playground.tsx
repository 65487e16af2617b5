/** A base model at play: it goes on from a prompt, shows what it nearly said, and branches where one wants it to. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Alternative, GeneratedToken, Memorised } from "../../api.ts";
import { post, postLines } from "../ask.ts";
import { useKept } from "../kept.ts";
import { walkButtons } from "../keys.ts";
import type { PageProps } from "../main.tsx";
import { Empty, Notice } from "../parts/notice.tsx";
import { count, percent, visible } from "../words.ts";

const templates = [
  { name: "free text", text: "In the morning" },
  {
    name: "questions and answers",
    text: "Q: What is the capital of France?\nA: Paris.\n\nQ: How many legs has a spider?\nA: Eight.\n\nQ: What do bees make?\nA:",
  },
  { name: "translation", text: "sea otter => loutre de mer\npeppermint => menthe poivrée\ncheese =>" },
  { name: "a list", text: "Things to take on a long walk:\n- water\n- a map\n-" },
  { name: "a headline and its story", text: "The Village That Moved Its Bridge\n\n" },
] as const;

type Settings = {
  maxTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  seed: number;
  n: number;
};
type Sample = {
  readonly tokens: readonly GeneratedToken[];
  readonly seed: number;
  readonly busy: boolean;
  readonly error: Error | null;
};

const first: Settings = { maxTokens: 60, temperature: 0.8, topK: 50, topP: 1, seed: 1, n: 3 };

export function PlaygroundPage({ run, rest }: PageProps) {
  const [prompt, setPrompt] = useKept<string>("playground.prompt", templates[0].text);
  const [spoken, setSpoken] = useKept("playground.spoken", "");
  const [settings, setSettings] = useKept("playground.settings", first);
  const [samples, setSamples] = useKept<readonly Sample[]>("playground.samples", []);
  const [writing, setWriting] = useKept<AbortController | null>("playground.writing", null);
  const given = rest.get("prompt");
  useEffect(() => {
    if (given !== null) setPrompt(given);
  }, [given]);
  if (!run.has.model)
    return <Empty title="No model yet">It can be asked from its first checkpoint on.</Empty>;
  const busy = samples.some(sample => sample.busy);

  const change = (which: number, how: (sample: Sample) => Sample) =>
    setSamples(all => all.map((sample, i) => (i === which ? how(sample) : sample)));

  /** Writes on in one column, after the tokens that are kept. */
  const write = async (
    which: number,
    kept: readonly GeneratedToken[],
    text: string,
    seed: number,
    signal: AbortSignal,
  ) => {
    const { n: _, ...options } = settings;
    const body = { ...options, prompt: text, seed, n: 1, forced: kept.map(({ id }) => id) };
    try {
      for await (const token of postLines<GeneratedToken>("/api/generate", body, signal))
        change(which, sample => ({ ...sample, tokens: [...sample.tokens, token] }));
    } catch (error) {
      if ((error as Error).name !== "AbortError")
        change(which, sample => ({ ...sample, error: error as Error }));
    } finally {
      change(which, sample => ({ ...sample, busy: false }));
    }
  };

  const start = () => {
    writing?.abort();
    const controller = new AbortController();
    setWriting(controller);
    setSpoken(prompt);
    const seeds = Array.from({ length: settings.n }, (_, i) => settings.seed + i);
    setSamples(seeds.map(seed => ({ tokens: [], seed, busy: true, error: null })));
    seeds.forEach((seed, i) => void write(i, [], prompt, seed, controller.signal));
  };

  const branch = (which: number, at: number, taken: Alternative) => {
    // Columns that go on beside each other are stopped together.
    const controller = writing && !writing.signal.aborted ? writing : new AbortController();
    setWriting(controller);
    const sample = samples[which]!;
    const old = sample.tokens[at]!;
    const chosen: GeneratedToken = {
      ...old,
      id: taken.id,
      text: taken.text,
      token: taken.text,
      probability: taken.probability,
      end: null,
    };
    const kept = [...sample.tokens.slice(0, at), chosen];
    change(which, before => ({ ...before, tokens: kept, busy: true, error: null }));
    void write(which, kept, spoken, sample.seed, controller.signal);
  };

  const set = (name: keyof Settings) => (event: { currentTarget: HTMLInputElement }) =>
    setSettings({ ...settings, [name]: Number(event.currentTarget.value) });
  return (
    <>
      <h1>Playground</h1>
      <p class="lead">
        A base model goes on with a text; it does not answer. Press Generate, then click any token to see
        which ones it almost chose; click one of those to go on from there. The redder a token, the less the
        model expected it.
      </p>
      <textarea
        rows={4}
        value={prompt}
        aria-label="Prompt"
        onInput={event => setPrompt(event.currentTarget.value)}
        onKeyDown={event => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) start();
        }}
      />
      <div class="controls" style={{ marginTop: "8px" }}>
        <button type="button" class="main" onClick={start} title="Ctrl-Enter">
          Generate
        </button>
        <button type="button" disabled={!busy} onClick={() => writing?.abort()}>
          Stop
        </button>
        <label>
          template
          <select
            onChange={event => {
              const found = templates.find(({ name }) => name === event.currentTarget.value);
              if (found) setPrompt(found.text);
            }}
          >
            {templates.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          samples <input type="number" min="1" max="6" value={settings.n} onInput={set("n")} />
        </label>
        <label>
          tokens{" "}
          <input type="number" min="1" max="512" value={settings.maxTokens} onInput={set("maxTokens")} />
        </label>
        <label title="0 takes the most probable token every time">
          temperature{" "}
          <input
            type="number"
            min="0"
            max="5"
            step="0.1"
            value={settings.temperature}
            onInput={set("temperature")}
          />
        </label>
        <label title="among the K most probable; 0: all">
          top-k <input type="number" min="0" value={settings.topK} onInput={set("topK")} />
        </label>
        <label title="among the most probable that together have this share">
          top-p{" "}
          <input type="number" min="0" max="1" step="0.05" value={settings.topP} onInput={set("topP")} />
        </label>
        <label title="the same seed writes the same text">
          seed <input type="number" value={settings.seed} onInput={set("seed")} />
        </label>
      </div>
      <div class="samples">
        {samples.map((sample, i) => (
          <SampleView key={i} {...{ sample, prompt: spoken }} branch={(at, taken) => branch(i, at, taken)} />
        ))}
      </div>
    </>
  );
}

type SampleProps = {
  readonly sample: Sample;
  readonly prompt: string;
  readonly branch: (at: number, taken: Alternative) => void;
};

function SampleView({ sample, prompt, branch }: SampleProps) {
  const [open, setOpen] = useState(-1);
  const [found, setFound] = useState<Memorised | Error | null>(null);
  const { tokens, busy, error, seed } = sample;
  const [at, setAt] = useState(0);
  const chosen = tokens[open];
  const pieces = useRef<HTMLDivElement>(null);
  const close = () => {
    const back = pieces.current?.querySelectorAll<HTMLElement>(".piece")[open];
    setOpen(-1);
    back?.focus();
  };
  const remember = () =>
    void post<Memorised>("/api/memorised", { ids: tokens.map(({ id }) => id) }).then(setFound, setFound);
  return (
    <section
      class="card sample"
      aria-busy={busy}
      aria-label={`sample with seed ${seed}`}
      onKeyDown={event => {
        if (event.key === "Escape" && open >= 0) close();
      }}
    >
      <p class="quiet" style={{ margin: "0 0 6px" }}>
        seed {seed} · {count(tokens.length)} tokens
        {tokens.length > 0 && ` · typical probability ${percent(meanProbability(tokens))}`}{" "}
        {!busy && tokens.length > 0 && (
          <button type="button" class="small tool" onClick={remember}>
            is this memorised?
          </button>
        )}
      </p>
      {/* biome-ignore lint/a11y/useSemanticElements: a group within a text */}
      <div
        ref={pieces}
        class="written"
        role="group"
        aria-label="what it wrote; the arrow keys go through its tokens"
        onKeyDown={event => walkButtons(event, ".piece")}
      >
        <span class="prompt">{prompt}</span>
        {tokens.map((token, i) => (
          <button
            key={i}
            type="button"
            class="piece"
            tabindex={i === Math.min(at, tokens.length - 1) ? 0 : -1}
            aria-expanded={open === i}
            aria-label={`${visible(token.token, true)}, ${percent(token.probability)}`}
            onFocus={() => setAt(i)}
            style={{ "--surprise": String(Math.min(1, -Math.log10(Math.max(1e-6, token.probability)) / 3)) }}
            title={`${JSON.stringify(token.token)} ${percent(token.probability)}`}
            onClick={() => setOpen(open === i ? -1 : i)}
          >
            {token.text === "" && token.token !== ""
              ? token.end === "stop"
                ? "⏹"
                : ""
              : visible(token.text, false)}
          </button>
        ))}
        {busy && <span class="quiet">▍</span>}
      </div>
      {error && <Notice error={error} />}
      {chosen && (
        <div class="alternatives">
          <p class="quiet">
            Here it chose <code>{visible(chosen.token, true)}</code> with {percent(chosen.probability)}.{" "}
            {almost(chosen)} <span class="how">Click another to go on with it instead.</span>
          </p>
          {chosen.alternatives.map(other => (
            <button
              key={other.id}
              type="button"
              class={other.id === chosen.id ? "taken" : ""}
              disabled={busy}
              title="go on from here with this token"
              onClick={() => {
                setFound(null);
                branch(open, other);
              }}
            >
              <code>{visible(other.text, true) || "∅"}</code>
              <span
                class="bar"
                aria-hidden="true"
                style={{
                  width: `${Math.max(1, (other.probability / chosen.alternatives[0]!.probability) * 100)}%`,
                }}
              />
              <span class="number">{percent(other.probability)}</span>
            </button>
          ))}
        </div>
      )}
      {found instanceof Error && <Notice error={found} />}
      {found && !(found instanceof Error) && <MemoryView found={found} of={tokens.length} />}
    </section>
  );
}

/** The likeliest of those it did not choose. */
function almost(chosen: GeneratedToken): preact.ComponentChildren {
  const other = chosen.alternatives.find(({ id }) => id !== chosen.id);
  if (!other) return null;
  return (
    <>
      It almost chose <code>{visible(other.text, true) || "∅"}</code> with {percent(other.probability)}.
    </>
  );
}

/** Geometric mean. */
function meanProbability(tokens: readonly GeneratedToken[]): number {
  return Math.exp(
    tokens.reduce((sum, { probability }) => sum + Math.log(Math.max(1e-12, probability)), 0) / tokens.length,
  );
}

function MemoryView({ found, of }: { readonly found: Memorised; readonly of: number }) {
  return (
    <div class="alternatives">
      <p>
        The longest run that stands in the training text has <b>{count(found.length)}</b> of {count(of)}{" "}
        tokens
        {found.times > 1 && `, and runs as long come ${count(found.times)} times`}.{" "}
        {found.length >= 20 ? "That much is copied." : "A run this short is common language."}
      </p>
      <p>
        <span class="quiet">{found.before}</span>
        <mark>{found.text}</mark>
        <span class="quiet">{found.after}</span>
      </p>
      {found.document && (
        <p class="quiet">
          from{" "}
          <a href={`#/documents?state=kept&id=${encodeURIComponent(found.document)}`}>{found.document}</a>
          {found.searched < found.tokens &&
            `; ${count(found.searched)} of ${count(found.tokens)} tokens were searched`}
        </p>
      )}
    </div>
  );
}
