/** Text as tokens: ours beside the published vocabularies, the vocabulary itself, a word's merges one by one. */
import { useEffect, useState } from "preact/hooks";
import type { Compression, MergeReplay, Tokenized, VocabularyPage } from "../../api.ts";
import { ask, post, useAnswer } from "../ask.ts";
import { useKept } from "../kept.ts";
import { steppedBy } from "../keys.ts";
import type { PageProps } from "../main.tsx";
import { Empty, Notice } from "../parts/notice.tsx";
import { count, share, visible } from "../words.ts";

const example =
  "The quick brown fox doesn't jump over 12,345 lazy dogs.\n\nfor (let i = 0; i < 10; i++) total += prices[i];\nÜbermäßig, naïve, 東京, 🦊";

export function TokenizerPage({ run, rest }: PageProps) {
  const [text, setText] = useKept("tokenizer.text", example);
  const [whitespace, setWhitespace] = useKept("tokenizer.whitespace", false);
  const given = rest.get("text");
  useEffect(() => {
    if (given !== null) setText(given);
  }, [given]);
  const { value, error } = useAnswer(run.has.tokenizer ? `${text} ` : "", () =>
    post<Tokenized>("/api/tokenize", { text, which: "own" }),
  );
  // The published vocabularies are asked for once ours is shown: they take a moment to load.
  const published = useAnswer(value ? text : "", () =>
    post<Tokenized>("/api/tokenize", { text, which: "published" }),
  );
  const vocabularies = value ? [...value.vocabularies, ...(published.value?.vocabularies ?? [])] : [];
  if (!run.has.tokenizer)
    return (
      <Empty title="No vocabulary yet">It is trained by the stage tokenizer, after the documents.</Empty>
    );
  return (
    <>
      <h1>Tokenizer</h1>
      <p class="lead how">
        Type or paste a name, a word, any text. Point at a token to see its id, at an id to see its token; or
        go through them with the arrow keys.
      </p>
      <textarea
        rows={5}
        value={text}
        aria-label="Text to tokenize"
        spellcheck={false}
        onInput={event => setText(event.currentTarget.value)}
      />
      <div class="controls" style={{ marginTop: "8px" }}>
        <label>
          <input
            type="checkbox"
            checked={whitespace}
            onChange={event => setWhitespace(event.currentTarget.checked)}
          />
          show white space
        </label>
        {value && (
          <span class="quiet">
            {count(value.characters)} characters, {count(value.bytes)} bytes
          </span>
        )}
      </div>
      {error && <Notice error={error} />}
      {value && (
        <div class="vocabularies">
          {vocabularies.map(one => (
            <Tokens key={one.name} vocabulary={one} bytes={value.bytes} whitespace={whitespace} />
          ))}
          {!published.value && <p class="wait">Loading gpt2, cl100k and o200k…</p>}
        </div>
      )}
      <Merges />
      <CompressionTable ready={published.value !== null} />
      <Browser />
    </>
  );
}

type Shown = Tokenized["vocabularies"][number];

function Tokens({
  vocabulary,
  bytes,
  whitespace,
}: {
  vocabulary: Shown;
  bytes: number;
  whitespace: boolean;
}) {
  const { name, size, tokens, segments } = vocabulary;
  const [lit, setLit] = useState(-1);
  const shown = segments.slice(0, 3000);
  const point = (i: number) => ({
    onMouseEnter: () => setLit(i),
    onMouseLeave: () => setLit(-1),
    onClick: () => setLit(i),
  });
  const chosen = shown[lit];
  const walk = (event: KeyboardEvent) => {
    const to = event.key === "Escape" ? -1 : steppedBy(event.key, lit, shown.length);
    if (to === null) return;
    event.preventDefault();
    setLit(to);
  };
  return (
    <section class="card">
      <h2 class="split">
        <span>
          {name} <span class="quiet">{count(size)}</span>
        </span>
        <span>
          <b>{count(tokens)}</b> tokens, {tokens > 0 ? (bytes / tokens).toFixed(2) : "–"} bytes each
        </span>
      </h2>
      {/* biome-ignore lint/a11y/useSemanticElements: a group within a line of text */}
      <div
        class="tokens"
        role="group"
        tabindex={0}
        aria-label={`tokens of ${name}; the arrow keys go through them`}
        onKeyDown={walk}
      >
        {shown.map((segment, i) => (
          <span
            key={i}
            class={`token c${i % 5} ${lit === i ? "lit" : ""}`}
            title={said(segment)}
            {...point(i)}
          >
            {visible(segment.text, whitespace)}
          </span>
        ))}
      </div>
      <p class="quiet told" role="status">
        {chosen ? (
          <>
            <code>{visible(chosen.text, true)}</code> {said(chosen)}
          </>
        ) : null}
      </p>
      <details open={tokens <= 120}>
        <summary class="quiet">ids</summary>
        <div class="mono ids">
          {shown.map((segment, i) => (
            <span
              key={i}
              class={lit === i ? "lit token c0" : ""}
              title={JSON.stringify(segment.text)}
              {...point(i)}
            >
              {segment.ids.join("+")}{" "}
            </span>
          ))}
        </div>
      </details>
      {segments.length > shown.length && <p class="quiet">The first {count(shown.length)} are shown.</p>}
    </section>
  );
}

const said = ({ ids, bytes }: Shown["segments"][number]): string =>
  `id ${ids.join(", ")} · ${bytes} byte${bytes === 1 ? "" : "s"}`;

function Merges() {
  const [word, setWord] = useKept("tokenizer.word", " morning");
  const { value, error } = useAnswer(word, () => post<MergeReplay>("/api/merges", { word }));
  return (
    <>
      <h2>How a word is merged</h2>
      <div class="controls">
        <label>
          word <input value={word} onInput={event => setWord(event.currentTarget.value)} class="mono" />
        </label>
        <span class="quiet">A space in front makes it the word within a sentence.</span>
      </div>
      {error && <Notice error={error} />}
      {value?.pieces.map((piece, i) => (
        <div key={i} class="card merge-steps scroll">
          <table>
            <tbody>
              <tr>
                <td class="quiet">bytes</td>
                <td>
                  <Parts parts={piece.start} />
                </td>
                <td />
              </tr>
              {piece.steps.map((step, k) => (
                <tr key={k}>
                  <td class="quiet" style={{ whiteSpace: "nowrap" }}>
                    merge {count(step.rank)}
                  </td>
                  <td>
                    <Parts parts={step.parts} made={step.left + step.right} />
                  </td>
                  <td class="quiet" style={{ whiteSpace: "nowrap" }}>
                    {visible(step.left, true)} + {visible(step.right, true)}
                  </td>
                </tr>
              ))}
              <tr>
                <td class="quiet">ids</td>
                <td>{piece.ids.join(" ")}</td>
                <td />
              </tr>
            </tbody>
          </table>
        </div>
      ))}
    </>
  );
}

const Parts = ({ parts, made }: { readonly parts: readonly string[]; readonly made?: string }) => (
  <>
    {parts.map((part, i) => (
      <span key={i} class={`part ${part === made ? "new" : ""}`}>
        {visible(part, true)}
      </span>
    ))}
  </>
);

function CompressionTable({ ready }: { readonly ready: boolean }) {
  const { value, error } = useAnswer(ready ? "now" : "", () => ask<Compression>("/api/compression"));
  if (error) return <Notice error={error} />;
  if (!value) return <p class="wait">Counting tokens of a sample of the corpus…</p>;
  const best = (row: Compression["rows"][number]) => Math.max(...row.bytesPerToken);
  return (
    <>
      <h2>Bytes per token, on this corpus</h2>
      <div class="card scroll">
        <table>
          <thead>
            <tr>
              <th>language</th>
              <th class="number">documents</th>
              {value.vocabularies.map(name => (
                <th key={name} class="number">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {value.rows.map(row => (
              <tr key={row.group}>
                <td>{row.group}</td>
                <td class="number">{count(row.documents)}</td>
                {row.bytesPerToken.map((n, i) => (
                  <td key={i} class="number">
                    {n === best(row) ? <b>{n.toFixed(2)}</b> : n.toFixed(2)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Browser() {
  const [query, setQuery] = useState("");
  const [from, setFrom] = useState(0);
  const { value, error } = useAnswer(`${query} ${from}`, () =>
    ask<VocabularyPage>("/api/vocabulary", { q: query, from }),
  );
  return (
    <>
      <h2>The vocabulary</h2>
      <div class="controls">
        <label>
          find{" "}
          <input
            value={query}
            placeholder="text, or #id"
            onInput={event => {
              setFrom(0);
              setQuery(event.currentTarget.value);
            }}
          />
        </label>
        {value && (
          <span class="quiet">
            {count(value.total)} of {count(value.size)} tokens, pattern {value.pattern}
          </span>
        )}
        <button type="button" disabled={from === 0} onClick={() => setFrom(Math.max(0, from - 200))}>
          previous 200
        </button>
        <button
          type="button"
          disabled={!value || from + 200 >= value.total}
          onClick={() => setFrom(from + 200)}
        >
          next 200
        </button>
      </div>
      {error && <Notice error={error} />}
      {value && (
        <section class="card scroll listed" tabindex={0} aria-label="tokens of the vocabulary">
          <table>
            <thead>
              <tr>
                <th class="number">id</th>
                <th>token</th>
                <th>merged from</th>
                <th>kind</th>
                <th class="number">uses in training</th>
              </tr>
            </thead>
            <tbody>
              {value.tokens.map(({ id, text, kind, uses, parents }) => (
                <tr key={id}>
                  <td class="number mono">{id}</td>
                  <td class="mono">{visible(text, true)}</td>
                  <td class="mono quiet">
                    {parents ? parents.map(part => visible(part, true)).join(" + ") : ""}
                  </td>
                  <td class="quiet">{kind}</td>
                  <td class="number">{uses === null ? "–" : uses === 0 ? <b>never</b> : count(uses)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {value && value.tokens.length > 0 && value.tokens[0]!.uses !== null && (
        <p class="quiet">
          {share(value.tokens.filter(({ uses }) => uses === 0).length, value.tokens.length)} of the tokens
          listed here never occur in the training shards: the model knows nothing about them.
        </p>
      )}
    </>
  );
}
