/**
 * The report as one HTML file: no script, no request, readable on paper and in the dark. All text that came from
 * pages is escaped here or in charts.ts; the file's own policy forbids scripts besides.
 */
import { droppedTotal, type StageStats } from "../stats.ts";
import {
  escapeHtml,
  funnelChart,
  grouped,
  histogram,
  lossChart,
  percent,
  reasonsOf,
  short,
} from "./charts.ts";
import type { BeforeAfter, Cluster, Counted, Distribution, RejectedSample, ReportData } from "./gather.ts";
import { style } from "./style.ts";

export function reportHtml(data: ReportData): string {
  const { plan, stages, clusters, pii } = data;
  const name = escapeHtml(plan.recipe.name);
  const judged = stages.filter(stage => isShown(stage, data));
  const sections: (Section | null)[] = [
    {
      id: "funnel",
      title: "Funnel",
      about:
        "What reached each stage, what it kept and why it dropped the rest. A stage's name leads to its rules.",
      body: funnelChart(stages),
    },
    { id: "cost", title: "Cost", about: costWords(stages), body: costTable(stages) },
    ...judged.map(stage => stageSection(stage, data)),
    {
      id: "domains",
      title: "Domains",
      about: "Registrable domains with the most records, and what is left of each.",
      body: beforeAfterTable(data.domains, "records", "kept"),
    },
    data.languages.length === 0
      ? null
      : {
          id: "languages",
          title: "Languages",
          about: "As the language stage found them, and in the corpus.",
          body: beforeAfterTable(data.languages, "found", "kept"),
        },
    clusters.sizes.length === 0 ? null : clusterSection(data),
    pii.kinds.length === 0
      ? null
      : {
          id: "pii",
          title: "Personal data",
          about: `Found in ${grouped(pii.documents)} of the ${grouped(data.kept.documents)} documents kept, and replaced by tags.`,
          body: barList(pii.kinds, 0),
        },
    data.kept.lengths.length < 2 ? null : keptSection(data),
    data.steps.length < 2
      ? null
      : { id: "training", title: "Training", about: "", body: lossChart(data.steps) + sampleTimeline(data) },
    {
      id: "recipe",
      title: "Recipe",
      about: "Every value as it was used.",
      body: `<details><summary>show</summary><pre>${escapeHtml(JSON.stringify(plan.recipe, null, 2))}</pre></details>`,
    },
  ];
  const shown = sections.filter(section => section !== null);
  const links = shown.map(({ id, title }) => `<a href="#${id}">${title}</a>`).join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${name} · curate report</title><style>${style}</style></head><body><nav>${links}</nav><main>
<header><h1>${name}</h1>${tiles(data)}</header>
${shown.map(sectionHtml).join("\n")}
<footer>Made by curate ${escapeHtml(plan.version)}. Replay any threshold with <code>curate stats --what-if stage.option=value</code>; compare two runs with <code>curate diff</code>.</footer></main></body></html>
`;
}

type Section = { readonly id: string; readonly title: string; readonly about: string; readonly body: string };

function sectionHtml({ id, title, about, body }: Section): string {
  return `<section id="${id}"><h2>${title}</h2>${about ? `<p class="about">${about}</p>` : ""}${body}</section>`;
}

function tiles({ plan, stages, kept }: ReportData): string {
  const records = stages[0]?.in ?? 0;
  const cpu = stages.reduce((sum, stage) => sum + stage.cpuSeconds, 0);
  const tokens = stages.find(stage => stage.tokensOut !== undefined)?.tokensOut;
  const failed = stages.reduce((sum, stage) => sum + stage.failed, 0);
  const list: [string, string][] = [
    [
      grouped(records),
      `records of ${grouped(plan.inputs.length)} file${plan.inputs.length === 1 ? "" : "s"}`,
    ],
    [grouped(kept.documents), `documents kept, ${percent(kept.documents / Math.max(1, records))}`],
    [short(kept.characters), "characters"],
    ...(tokens === undefined ? [] : [[short(tokens), "tokens"] as [string, string]]),
    [`${short(cpu)} s`, `of CPU time, ${grouped(records / Math.max(1e-9, cpu))} records a second`],
    [grouped(failed), "could not be read or judged"],
  ];
  return `<ul class="tiles">${list.map(([number, words]) => `<li><b>${number}</b><span>${words}</span></li>`).join("")}</ul>`;
}

/** Name, bar, number and share of what `total` is. */
function barList(list: Counted, total: number, kind: "kept" | "lost" = "kept"): string {
  const top = Math.max(1, ...list.map(([, n]) => n));
  return `<table class="bars">${list
    .map(
      ([name, n]) =>
        `<tr><td>${escapeHtml(name)}</td><td class="bar"><span class="${kind}" style="width:${((n / top) * 100).toFixed(1)}%"></span></td><td class="n">${grouped(n)}</td><td class="n">${total > 0 ? percent(n / total) : ""}</td></tr>`,
    )
    .join("")}</table>`;
}

function beforeAfterTable(list: BeforeAfter, before: string, after: string): string {
  const top = Math.max(1, ...list.map(item => Math.max(item.before, item.after)));
  const width = (n: number) => ((n / top) * 100).toFixed(1);
  const rows = list.map(item => {
    const lost = Math.max(0, item.before - item.after);
    return `<tr><td>${escapeHtml(item.name)}</td><td class="bar"><span class="kept" style="width:${width(item.after)}%"></span><span class="lost" style="width:${width(lost)}%"></span></td><td class="n">${item.before === 0 ? "–" : grouped(item.before)}</td><td class="n">${grouped(item.after)}</td><td class="n">${item.before === 0 ? "" : percent(item.after / item.before)}</td></tr>`;
  });
  return `<table class="bars"><tr class="head"><th></th><th></th><th class="n">${before}</th><th class="n">${after}</th><th class="n">share</th></tr>${rows.join("")}</table>`;
}

function costWords(stages: readonly StageStats[]): string {
  const cpu = stages.reduce((sum, stage) => sum + stage.cpuSeconds, 0);
  const records = stages[0]?.in ?? 0;
  if (records === 0 || cpu === 0) return "CPU seconds of the threads that did the work.";
  const hours = (cpu / records / 3600) * 1e6;
  return `CPU seconds of the threads that did the work; a million such records would take ${short(hours)} hours of one core.`;
}

function costTable(stages: readonly StageStats[]): string {
  const total = stages.reduce((sum, stage) => sum + stage.cpuSeconds, 0);
  const top = Math.max(1e-9, ...stages.map(stage => stage.cpuSeconds));
  const rows = stages
    .filter(stage => stage.cpuSeconds > 0)
    .map(stage => {
      const rate = (n: number) => (n > 0 ? n / stage.cpuSeconds : 0);
      const perSecond = stage.in > 0 ? grouped(rate(stage.in)) : "";
      const speed = stage.bytesIn > 0 ? (rate(stage.bytesIn) / 1e6).toFixed(1) : "";
      return `<tr><td>${escapeHtml(stage.name)}</td><td class="bar"><span class="kept" style="width:${((stage.cpuSeconds / top) * 100).toFixed(1)}%"></span></td><td class="n">${stage.cpuSeconds.toFixed(2)} s</td><td class="n">${percent(stage.cpuSeconds / Math.max(1e-9, total))}</td><td class="n">${perSecond}</td><td class="n">${speed}</td></tr>`;
    });
  return `<table class="bars"><tr class="head"><th></th><th></th><th class="n">CPU</th><th class="n">share</th><th class="n">documents/s</th><th class="n">MB/s</th></tr>${rows.join("")}</table>`;
}

function isShown(stage: StageStats, { distributions }: ReportData): boolean {
  const measured = distributions.some(({ stage: of }) => of === stage.name);
  return measured || droppedTotal(stage) + stage.failed > 0 || Object.keys(stage.tagged ?? {}).length > 0;
}

function stageSection(stage: StageStats, data: ReportData): Section {
  const distributions = data.distributions.filter(({ stage: of }) => of === stage.name);
  const lost = droppedTotal(stage);
  const reasons = reasonsOf(stage);
  const tagged = Object.entries(stage.tagged ?? {}).map(([reason, n]) => [`tagged ${reason}`, n] as const);
  const parts = [
    reasons.length + tagged.length > 0
      ? barList([...reasons, ...tagged], stage.in, "lost")
      : '<p class="about">Nothing was dropped here.</p>',
    histograms(distributions, stage.dropped),
    samplesOf(stage, data),
  ];
  const measured = distributions[0]
    ? ` Measures of ${grouped(distributions[0].documents)} documents; heights are square roots, so that few are seen too.`
    : "";
  return {
    id: `stage-${escapeHtml(stage.name)}`,
    title: escapeHtml(stage.name),
    about: `${grouped(lost)} of ${grouped(stage.in)} dropped, ${percent(lost / Math.max(1, stage.in))}.${measured}`,
    body: parts.join(""),
  };
}

function histograms(list: readonly Distribution[], dropped: Readonly<Record<string, number>>): string {
  const varied = list.filter(({ values }) => values[0] !== values[values.length - 1]);
  const same = list.filter(({ values }) => values.length > 0 && values[0] === values[values.length - 1]);
  const words = same.map(
    ({ measure, values }) => `${escapeHtml(measure.replaceAll("_", " "))} ${short(values[0]!)}`,
  );
  return `${varied.length > 0 ? `<div class="histograms">${varied.map(item => histogram(item, dropped)).join("")}</div>` : ""}${words.length > 0 ? `<p class="about">The same for every document: ${words.join(", ")}.</p>` : ""}`;
}

const openReasons = 2;

/** What each rule removed: the most frequent rules' examples open, the others to be opened. */
function samplesOf(stage: StageStats, { rejected }: ReportData): string {
  const groups = new Map<string, RejectedSample[]>();
  for (const sample of rejected)
    if (sample.stage === stage.name)
      groups.set(sample.reason, [...(groups.get(sample.reason) ?? []), sample]);
  const order = reasonsOf(stage).map(([reason]) => reason);
  const place = (reason: string) => (order.includes(reason) ? order.indexOf(reason) : order.length);
  return [...groups]
    .sort(([a], [b]) => place(a) - place(b))
    .map(([reason, list], i) => rejectedBlock(reason, list, i < openReasons))
    .join("");
}

function rejectedBlock(reason: string, list: readonly RejectedSample[], open: boolean): string {
  const number = (cell: string) =>
    cell !== "" && Number.isFinite(Number(cell)) ? short(Number(cell)) : escapeHtml(cell);
  const items = list.map(({ url, value, threshold, text }) => {
    const limit = threshold === "" ? "" : ` against ${number(threshold)}`;
    const said = reason === "duplicate" ? `copy of ${escapeHtml(value)}` : `${number(value)}${limit}`;
    const verdict = value === "" ? "" : `<span class="verdict">${said}</span>`;
    return `<li><div class="url">${escapeHtml(url)} ${verdict}</div>${text ? `<blockquote>${escapeHtml(text)}</blockquote>` : ""}</li>`;
  });
  return `<details${open ? " open" : ""}><summary>${escapeHtml(reason)} <span class="soft">${list.length} example${list.length === 1 ? "" : "s"}</span></summary><ul class="samples">${items.join("")}</ul></details>`;
}

function clusterSection({ clusters }: ReportData): Section {
  const documents = clusters.sizes.reduce((sum, [size, n]) => sum + Number(size) * n, 0);
  const all = clusters.sizes.reduce((sum, [, n]) => sum + n, 0);
  const bounds = [2, 3, 4, 5, 10, 20, 50, 100, 1000, 10_000, Number.POSITIVE_INFINITY];
  const sizes = bounds.slice(0, -1).flatMap((from, i) => {
    const to = bounds[i + 1]! - 1;
    const n = clusters.sizes
      .filter(([size]) => Number(size) >= from && Number(size) <= to)
      .reduce((sum, [, count]) => sum + count, 0);
    const name = to === from ? `${from}` : Number.isFinite(to) ? `${from}–${to}` : `${from} and more`;
    return n === 0 ? [] : [[`${name} documents`, n] as const];
  });
  return {
    id: "clusters",
    title: "Clusters of duplicates",
    about: `${grouped(documents)} documents in ${grouped(all)} clusters, of each of which one is kept.`,
    body: `${barList(sizes, all)}<h3>Largest</h3><ol class="clusters">${clusters.largest.map(clusterItem).join("")}</ol>`,
  };
}

function clusterItem({ size, kept, others }: Cluster): string {
  const more = size - 1 - others.length;
  return `<li><b>${grouped(size)}</b><div><div class="url">${escapeHtml(kept)} <span class="verdict kept-word">kept</span></div>${others.map(url => `<div class="url soft">${escapeHtml(url)}</div>`).join("")}${more > 0 ? `<div class="url soft">and ${grouped(more)} more</div>` : ""}</div></li>`;
}

function keptSection({ kept }: ReportData): Section {
  const lengths: Distribution = {
    stage: "documents",
    measure: "characters",
    documents: kept.documents,
    values: kept.lengths,
    marks: [],
  };
  const at = (share: number) => grouped(kept.lengths[Math.floor(share * (kept.lengths.length - 1))]!);
  return {
    id: "kept",
    title: "What was kept",
    about: `Half of the documents have between ${at(0.25)} and ${at(0.75)} characters; the median is ${at(0.5)}.`,
    body: `<div class="histograms">${histogram(lengths, {})}</div>`,
  };
}

function sampleTimeline({ samples }: ReportData): string {
  if (samples.length === 0) return "";
  const step = Math.max(1, Math.floor(samples.length / 8));
  const shown = samples.filter((_, i) => i % step === 0 || i === samples.length - 1);
  return `<h3>How it learned to write</h3><ol class="timeline">${shown.map(({ step, text }) => `<li><b>step ${grouped(step)}</b> ${escapeHtml(text)}</li>`).join("")}</ol>`;
}
