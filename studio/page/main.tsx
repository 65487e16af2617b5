/** The frame of the studio: where one is, what state the run is in, and the page itself. Routes live in the hash. */
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { RunOverview } from "../api.ts";
import { ask, Refused } from "./ask.ts";
import { DocumentsPage } from "./pages/documents.tsx";
import { InsidePage } from "./pages/inside.tsx";
import { PipelinePage } from "./pages/pipeline.tsx";
import { PlaygroundPage } from "./pages/playground.tsx";
import { TokenizerPage } from "./pages/tokenizer.tsx";
import { TrainingPage } from "./pages/training.tsx";
import { Empty, Notice } from "./parts/notice.tsx";
import "uplot/dist/uPlot.min.css";
import "./style.css";

export type PageProps = {
  readonly run: RunOverview;
  /** What follows the page's name in the hash. */
  readonly rest: URLSearchParams;
};

const pages = [
  { name: "pipeline", title: "Pipeline", Page: PipelinePage, about: "drops, reasons, limits" },
  { name: "documents", title: "Documents", Page: DocumentsPage, about: "find and read pages" },
  { name: "tokenizer", title: "Tokenizer", Page: TokenizerPage, about: "text and names as tokens" },
  { name: "training", title: "Training", Page: TrainingPage, about: "curves, samples, spelling" },
  { name: "playground", title: "Playground", Page: PlaygroundPage, about: "what it nearly wrote" },
  { name: "inside", title: "Inside", Page: InsidePage, about: "layer by layer" },
] as const;

/** Where one was on the pages whose choices stand in the address: coming back leads there again. */
const lastRest = new Map<string, string>();
const addressOf = (name: string): string => {
  const rest = lastRest.get(name);
  return `#/${name}${rest ? `?${rest}` : ""}`;
};

function route(): { name: string; rest: URLSearchParams } {
  const [name = "", rest = ""] = location.hash.replace(/^#\/?/, "").split("?");
  if (name === "pipeline" || name === "documents") lastRest.set(name, rest);
  return {
    name: pages.some(page => page.name === name) ? name : "pipeline",
    rest: new URLSearchParams(rest),
  };
}

const pollMs = { running: 1500, still: 8000 } as const;

function Studio() {
  const [here, setHere] = useState(route);
  const [run, setRun] = useState<RunOverview | null>(null);
  const [lost, setLost] = useState<Error | null>(null);
  useEffect(() => {
    const moved = () => setHere(route());
    const keyed = (event: KeyboardEvent) => {
      const { target } = event;
      if (target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const page = pages[Number(event.key) - 1];
      if (page) location.hash = addressOf(page.name);
    };
    addEventListener("hashchange", moved);
    addEventListener("keydown", keyed);
    return () => {
      removeEventListener("hashchange", moved);
      removeEventListener("keydown", keyed);
    };
  }, []);
  useEffect(() => {
    let timer = 0;
    let over = false;
    const look = async () => {
      let wait: number = pollMs.still;
      try {
        const now = await ask<RunOverview>("/api/run");
        if (over) return;
        setLost(null);
        setRun(before => (JSON.stringify(before) === JSON.stringify(now) ? before : now));
        if (["running", "nothing", "unknown"].includes(now.state)) wait = pollMs.running;
      } catch (error) {
        if (!over) setLost(error as Error);
      }
      if (!over) timer = window.setTimeout(look, wait);
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, []);
  const page = pages.find(({ name }) => name === here.name)!;
  useEffect(() => {
    document.title = `${page.title} · ${run?.name ?? "curate studio"}`;
  }, [page, run?.name]);
  return (
    <div class="frame">
      <nav class="rooms" aria-label="Pages">
        <p class="brand">
          curate <span>studio</span>
        </p>
        <ul>
          {pages.map(({ name, title, about }, i) => (
            <li key={name}>
              <a
                href={name === here.name ? `#/${name}` : addressOf(name)}
                aria-current={name === here.name ? "page" : undefined}
                aria-keyshortcuts={String(i + 1)}
                title={`key ${i + 1}`}
              >
                {title}
                <small class="page-about">{about}</small>
              </a>
            </li>
          ))}
        </ul>
        {run && (
          <div class="about-run">
            <strong>{run.name}</strong>
            <span class={`state ${run.state}`}>{run.state}</span>
            <span class="path" title={run.workdir}>
              {run.workdir.split(/[\\/]/).slice(-2).join("/")}
            </span>
          </div>
        )}
      </nav>
      <main>
        {run && (
          <p class="on-paper">
            {page.title} of {run.name}, {run.state}
          </p>
        )}
        {lost instanceof Refused ? (
          <Notice error={lost} />
        ) : (
          lost && (
            <p class="notice bad" role="alert">
              The studio does not answer ({lost.message}). Is <code>curate studio</code> still running? This
              page goes on by itself.
            </p>
          )
        )}
        {run?.state === "nothing" ? (
          <Empty title="Nothing here yet">
            Start with <code>curate run stages.yaml --workdir {run.workdir}</code>, or with the recipe you
            have. This page follows by itself.
          </Empty>
        ) : run ? (
          <page.Page key={here.name} run={run} rest={here.rest} />
        ) : (
          !lost && <p class="wait">Reading the run…</p>
        )}
      </main>
    </div>
  );
}

render(<Studio />, document.getElementById("app")!);
