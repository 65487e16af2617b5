/** Documents one by one: found by stage, reason, language, domain or words; each with its page and its whole story. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Choices, DocumentDetail, DocumentPage, DocumentRow } from "../../api.ts";
import { difference } from "../../difference.ts";
import { wordsPattern } from "../../words-found.ts";
import { ask, useAnswer } from "../ask.ts";
import type { PageProps } from "../main.tsx";
import { Empty, Notice } from "../parts/notice.tsx";
import { count, share, short } from "../words.ts";

const filterNames = ["state", "stage", "reason", "q", "domain", "language", "minScore"] as const;

/** What the address says now: a key pressed before the page has followed it must not be lost. */
const asked = () => new URLSearchParams(location.hash.split("?")[1] ?? "");

export function DocumentsPage({ run, rest }: PageProps) {
  const filters = Object.fromEntries(filterNames.map(name => [name, rest.get(name) ?? ""])) as Record<
    (typeof filterNames)[number],
    string
  >;
  const state = filters.state || "kept";
  const id = rest.get("id");
  const go = (changes: Record<string, string>) => {
    const next = asked();
    for (const [name, value] of Object.entries(changes))
      value === "" ? next.delete(name) : next.set(name, value);
    location.hash = `#/documents?${next}`;
  };
  const { value: choices } = useAnswer(run.marks.corpus, () => ask<Choices>("/api/choices"));
  const listing = useListing({ ...filters, state }, run.marks.corpus);
  useEffect(() => {
    const keyed = (event: KeyboardEvent) => {
      const by = event.key === "j" ? 1 : event.key === "k" ? -1 : 0;
      const { target } = event;
      if (by === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      if (target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      const here = asked().get("id");
      const row = listing.rows[listing.rows.findIndex(one => one.id === here) + by];
      if (row) go({ id: row.id, part: row.part });
    };
    addEventListener("keydown", keyed);
    return () => removeEventListener("keydown", keyed);
  });
  const reasons = choices?.stages.find(({ name }) => name === filters.stage)?.reasons ?? [];
  if (run.stages[0]!.in === 0)
    return <Empty title="No documents yet">They appear as the first part is read.</Empty>;
  return (
    <>
      <h1>Documents</h1>
      <p class="lead how">
        To learn why a page was dropped, find it by its address or by words of its text; or choose a stage and
        a reason.
      </p>
      <div class="controls">
        <label>
          find
          <input
            type="search"
            value={filters.q}
            placeholder="words of the text, or a URL"
            size={26}
            onChange={event => go({ q: event.currentTarget.value.trim(), id: "" })}
          />
        </label>
        <label>
          show
          <select
            value={state}
            onChange={event =>
              go({ state: event.currentTarget.value, stage: "", reason: "", language: "", id: "" })
            }
          >
            <option value="kept">kept</option>
            <option value="rejected">dropped</option>
            <option value="all">all</option>
          </select>
        </label>
        {state !== "kept" && (
          <>
            <label>
              by
              <select
                value={filters.stage}
                onChange={event => go({ stage: event.currentTarget.value, reason: "", language: "", id: "" })}
              >
                <option value="">any stage</option>
                {choices?.stages.map(({ name }) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
            {reasons.length > 0 && (
              <label>
                because of
                <select
                  value={filters.reason}
                  onChange={event => go({ reason: event.currentTarget.value, id: "" })}
                >
                  <option value="">any reason</option>
                  {reasons.map(name => (
                    <option key={name}>{name}</option>
                  ))}
                </select>
              </label>
            )}
            {filters.stage === "language" && (
              <label>
                language
                <input
                  value={filters.language}
                  size={4}
                  onChange={event => go({ language: event.currentTarget.value.trim(), id: "" })}
                />
              </label>
            )}
          </>
        )}
        {state === "kept" && (
          <>
            <label>
              language
              <select
                value={filters.language}
                onChange={event => go({ language: event.currentTarget.value })}
              >
                <option value="">any</option>
                {choices?.languages.map(name => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
            <label>
              score from
              <input
                type="number"
                min="0"
                max="1"
                step="0.05"
                value={filters.minScore}
                onChange={event => go({ minScore: event.currentTarget.value })}
              />
            </label>
          </>
        )}
        <label>
          domain
          <input
            value={filters.domain}
            onChange={event => go({ domain: event.currentTarget.value.trim() })}
            size={16}
          />
        </label>
      </div>
      {listing.error && <Notice error={listing.error} />}
      <div class={`reader ${id ? "reading" : ""}`}>
        <div class="found-list">
          <ul class="document-list" aria-label="Documents found">
            {listing.rows.map(row => (
              <li key={row.id}>
                <Row
                  row={row}
                  chosen={row.id === id}
                  stage={filters.stage}
                  choose={() => {
                    go({ id: row.id, part: row.part });
                    bringToReader();
                  }}
                />
              </li>
            ))}
            {listing.rows.length === 0 && !listing.busy && (
              <li class="empty">
                {state === "kept" && !run.has.documents
                  ? "No document is kept yet: each has to pass the last stage first. Dropped ones can be read already."
                  : listing.next !== null
                    ? "None so far."
                    : state === "kept"
                      ? "No document that was kept."
                      : state === "rejected"
                        ? "No document that was dropped."
                        : "No such document."}{" "}
                {state !== "all" && (
                  <button
                    type="button"
                    class="small tool"
                    onClick={() => go({ state: "all", language: "", minScore: "" })}
                  >
                    look among all
                  </button>
                )}
              </li>
            )}
          </ul>
          {listing.older && (
            <p class="notice" role="status">
              The run has gone on since.{" "}
              <button type="button" class="small tool" onClick={listing.anew}>
                list anew
              </button>
            </p>
          )}
          <p class="quiet" role="status">
            {count(listing.rows.length)} shown, {count(listing.looked)} of {count(listing.total)} looked at
            {listing.texts && <Texts {...listing.texts} />}{" "}
            {listing.next !== null && (
              <button type="button" class="small tool" disabled={listing.busy} onClick={listing.more}>
                {listing.busy ? "looking…" : "show more"}
              </button>
            )}
          </p>
          {listing.texts && listing.texts.sample < 1 && (
            <p class="quiet">
              Of what it dropped, the run kept the texts of {share(listing.texts.sample, 1)} only, and at
              least {count(listing.texts.minPerReason)} for each reason and part: a dropped document whose
              words are not found may be there all the same. <code>keepRejected: all</code> in the recipe
              keeps every text.
            </p>
          )}
        </div>
        {id ? (
          <Detail
            key={id}
            id={id}
            part={rest.get("part") ?? ""}
            query={filters.q}
            open={other => go({ id: other, part: "" })}
          />
        ) : (
          <p class="quiet how">
            Choose a document to read it beside its page; keys <kbd>j</kbd> and <kbd>k</kbd> go to the next
            and the one before.
          </p>
        )}
      </div>
    </>
  );
}

/** How much was looked at for words. */
function Texts({ looked, files, filesEnded }: NonNullable<DocumentPage["texts"]>) {
  return (
    <>
      {" "}
      by address, {count(looked)} by {looked === 1 ? "its" : "their"} text ({count(filesEnded)} of{" "}
      {count(files)} files of dropped texts)
    </>
  );
}

function useListing(filters: Record<string, string>, mark: string) {
  const key = JSON.stringify(filters);
  const [state, set] = useState({
    rows: [] as readonly DocumentRow[],
    next: null as string | null,
    looked: 0,
    total: 0,
    texts: null as DocumentPage["texts"],
    busy: true,
    error: null as Error | null,
    /** What the run had written when the list began. */
    mark: "",
  });
  const asking = useRef(new AbortController());
  const load = async (
    before: { rows: readonly DocumentRow[]; looked: number; texts: number; mark: string },
    cursor = "",
  ) => {
    const { signal } = asking.current;
    set(held => ({ ...held, busy: true }));
    try {
      const page = await ask<DocumentPage>("/api/documents", { ...filters, cursor }, signal);
      if (signal.aborted) return;
      set({
        ...{ rows: [...before.rows, ...page.rows], next: page.next, looked: before.looked + page.looked },
        texts: page.texts && { ...page.texts, looked: before.texts + page.texts.looked },
        ...{ total: page.total, busy: false, error: null, mark: before.mark },
      });
    } catch (error) {
      if (!signal.aborted) set(held => ({ ...held, busy: false, error: error as Error, mark: before.mark }));
    }
  };
  const anew = () => {
    asking.current.abort();
    asking.current = new AbortController();
    void load({ rows: [], looked: 0, texts: 0, mark });
  };
  const { rows, looked, texts, next } = state;
  useEffect(() => {
    anew();
    return () => asking.current.abort();
  }, [key]);
  // While the run goes on: a short list follows, a long one stays under the reader's eyes and says that there is more.
  const older = state.mark !== mark && !state.busy;
  const follows = older && next === null && rows.length < 50;
  useEffect(() => {
    if (follows) anew();
  }, [follows, mark]);
  return {
    ...state,
    older: older && !follows,
    anew,
    more: () => void load({ rows, looked, texts: texts?.looked ?? 0, mark: state.mark }, next ?? ""),
  };
}

/** In a narrow window the document stands below the list. */
function bringToReader() {
  if (!matchMedia("(max-width: 900px)").matches) return;
  setTimeout(() => document.querySelector(".reader > :last-child")?.scrollIntoView(), 60);
}

const inView = (element: HTMLElement | null) => element?.scrollIntoView({ block: "nearest" });

type RowProps = {
  readonly row: DocumentRow;
  readonly chosen: boolean;
  /** The stage that all rows are of, if any: it need not be said with each. */
  readonly stage: string;
  readonly choose: () => void;
};

function Row({ row, chosen, stage, choose }: RowProps) {
  const why = row.reason === "duplicate" ? "near-duplicate" : verdict(row);
  return (
    <button type="button" aria-pressed={chosen} onClick={choose} ref={chosen ? inView : null}>
      <span class="url" title={row.url ?? row.id}>
        {row.title ?? shortUrl(row)}
      </span>
      <small>{row.stage === "" ? keptLine(row) : stage === row.stage ? why : `${row.stage}: ${why}`}</small>
      {row.found && (
        <small class="found">
          {row.found.before}
          <mark>{row.found.match}</mark>
          {row.found.after}
        </small>
      )}
    </button>
  );
}

const shortUrl = ({ url, id }: DocumentRow) => url?.replace(/^https?:\/\/(www\.)?/, "") ?? id;

const keptLine = (row: DocumentRow) =>
  [row.language ? `${row.language} ${row.score?.toFixed(2) ?? ""}` : "", row.title ? shortUrl(row) : "kept"]
    .filter(Boolean)
    .join(" · ");

const numeric = (value: string) =>
  value !== "" && Number.isFinite(Number(value)) ? short(Number(value)) : value;

function verdict({ reason, value, threshold }: DocumentRow): string {
  const measured = value ? ` ${numeric(value)}` : "";
  return `${reason}${measured}${threshold ? ` (threshold ${numeric(threshold)})` : ""}`;
}

const origins = {
  corpus: "as it is in the corpus",
  sample: "as it was when it was dropped",
  anew: "extracted anew just now: the run kept no text of it",
  none: "",
} as const;

type DetailProps = {
  readonly id: string;
  readonly part: string;
  /** Words that were looked for: marked in the text. */
  readonly query: string;
  readonly open: (id: string) => void;
};

function Detail({ id, part, query, open }: DetailProps) {
  const { value, error } = useAnswer(id, () => ask<DocumentDetail>("/api/document", { id, part }));
  const [original, setOriginal] = useState(true);
  if (error) return <Notice error={error} />;
  if (!value) return <p class="wait">Reading…</p>;
  const { row } = value;
  const kept = row.stage === "";
  return (
    <article>
      <h2 style={{ marginTop: 0, overflowWrap: "anywhere" }}>{value.title ?? row.url ?? row.id}</h2>
      <p style={{ overflowWrap: "anywhere" }}>
        <span class={`tag ${kept ? "kept" : "dropped"}`}>{kept ? "kept" : `dropped by ${row.stage}`}</span>{" "}
        {!kept && <Why row={row} open={open} />}
        {value.title && <span class="quiet"> {row.url}</span>}
      </p>
      <p class="quiet where">
        {value.language && `${value.language} · `}
        {value.date && `${value.date} · `}
        {value.warcFile} at byte {count(value.warcOffset)} · <span class="mono">{row.id}</span>
      </p>
      <div class={`side-by-side ${original && value.original ? "" : "alone"}`}>
        <div>
          <h3>Text, {origins[value.textFrom]}</h3>
          <section class="page-text card" tabindex={0} aria-label="text of the document">
            {value.text ? (
              <Marked text={value.text} query={query} />
            ) : (
              <span class="quiet">No text: it was dropped before extraction.</span>
            )}
          </section>
        </div>
        {value.original && original && (
          <div>
            <h3>
              Its page, taken text marked{" "}
              <button type="button" class="small tool" onClick={() => setOriginal(false)}>
                hide
              </button>
            </h3>
            <iframe
              class="original"
              title="the page as it was crawled, without scripts and pictures"
              sandbox=""
              src={`/api/original?id=${encodeURIComponent(id)}`}
            />
          </div>
        )}
      </div>
      {value.original && !original && (
        <button type="button" class="small tool" onClick={() => setOriginal(true)}>
          show the page
        </button>
      )}
      {value.cluster && <Cluster detail={value} open={open} />}
      {value.measures.length > 0 && (
        <>
          <h2>What each stage measured</h2>
          <table class="story">
            <tbody>
              {value.measures.map(({ stage, reason, values }) => (
                <tr key={stage}>
                  <td style={{ whiteSpace: "nowrap" }}>
                    {reason ? (
                      <b style={{ color: "var(--bad)" }}>✗ {stage}</b>
                    ) : (
                      <span style={{ color: "var(--good)" }}>✓ {stage}</span>
                    )}
                  </td>
                  <td>
                    {reason && <b>{reason} </b>}
                    {values.map(({ name, value: measured, limits, beyond }) => (
                      <span key={name} class={`measured ${beyond && reason ? "beyond" : ""}`}>
                        <span class="quiet">{name}</span> {short(measured)}
                        {limits && <span class="quiet"> ({limits})</span>}
                      </span>
                    ))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
      {Object.keys(value.meta).length > 0 && (
        <details>
          <summary class="quiet">everything else that is known of it</summary>
          <pre>{JSON.stringify(value.meta, null, 2)}</pre>
        </details>
      )}
    </article>
  );
}

/** Why it was dropped; of a near-duplicate, which one was kept instead. */
function Why({ row, open }: { readonly row: DocumentRow; readonly open: (id: string) => void }) {
  if (row.reason !== "duplicate" || !row.value) return <b>{verdict(row)}</b>;
  return (
    <>
      <b>duplicate</b> of{" "}
      <button type="button" class="small mono" onClick={() => open(row.value!)}>
        {row.value}
      </button>
    </>
  );
}

/** Tags that stand where personal data stood. */
const redacted = "<(?:email|ip|phone|ssn|card|iban)>";

function Marked({ text, query }: { readonly text: string; readonly query: string }) {
  const first = useRef<HTMLElement | null>(null);
  useEffect(() => {
    const box = first.current?.closest<HTMLElement>(".page-text");
    if (first.current && box) box.scrollTop = first.current.offsetTop - box.offsetTop - 60;
  }, [text, query]);
  const words = query === "" ? null : wordsPattern(query);
  const pattern = new RegExp(words ? `${redacted}|(${words.source})` : redacted, words ? "gi" : "g");
  const parts: preact.ComponentChildren[] = [];
  let from = 0;
  let found = 0;
  for (const match of text.matchAll(pattern)) {
    parts.push(text.slice(from, match.index));
    parts.push(
      match[1] === undefined ? (
        <mark title="personal data was replaced here">{match[0]}</mark>
      ) : (
        <mark class="found" ref={found++ === 0 ? first : null}>
          {match[0]}
        </mark>
      ),
    );
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return <>{parts}</>;
}

function Cluster({ detail, open }: { readonly detail: DocumentDetail; readonly open: (id: string) => void }) {
  const { members, size } = detail.cluster!;
  const [against, setAgainst] = useState("");
  const { value: other } = useAnswer(against, () => ask<DocumentDetail>("/api/document", { id: against }));
  const changes = against && other ? difference(detail.text, other.text) : null;
  return (
    <>
      <h2>One of {count(size)} near-duplicates</h2>
      <table class="cluster">
        <tbody>
          {members.map(({ id, url, kept }) => (
            <tr key={id}>
              <td>
                {id === detail.row.id ? (
                  <b>this one</b>
                ) : (
                  <button type="button" class="small" onClick={() => open(id)}>
                    {url ?? id}
                  </button>
                )}
              </td>
              <td>{kept && <span class="tag kept">kept</span>}</td>
              <td>
                {id !== detail.row.id && (
                  <button
                    type="button"
                    class="small tool"
                    aria-pressed={against === id}
                    onClick={() => setAgainst(against === id ? "" : id)}
                  >
                    differences
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {against && other && (
        <div class="page-text card" style={{ maxHeight: "40vh" }}>
          {changes ? (
            changes.map(({ kind, text }, i) =>
              kind === "same" ? (
                <span key={i}>{text}</span>
              ) : kind === "added" ? (
                <ins key={i}>{text}</ins>
              ) : (
                <del key={i}>{text}</del>
              ),
            )
          ) : (
            <span class="quiet">They differ in more than 600 words.</span>
          )}
        </div>
      )}
    </>
  );
}
