/**
 * `report.html`: one file, no scripts, no network, readable for years. Everything that comes from pages is escaped.
 */
import { droppedTotal, type StageStats } from "../stats.ts";
import { barList, escapeHtml, funnelChart, grouped, histogram, lossChart, short } from "./charts.ts";
import type { RejectedSample, ReportData } from "./gather.ts";

export function reportHtml(data: ReportData): string {
  const { plan, stages } = data;
  const name = escapeHtml(plan.recipe.name);
  const first = stages[0];
  const sections = [
    `<header><h1>${name}</h1><p>${grouped(first?.in ?? 0)} records of ${grouped(plan.inputs.length)} files became <b>${grouped(data.kept.documents)} documents</b>, ${short(data.kept.characters)} characters.</p></header>`,
    section(
      "Funnel",
      "What reached each stage, and what it kept. Click a stage for its rules.",
      funnelChart(stages),
    ),
    section("Cost", "CPU seconds are of the threads that did the work.", costTable(stages)),
    ...stages.map(stage => stageSection(stage, data)),
    section(
      "Where documents come from",
      "Registrable domains, before and after.",
      `<div class="two"><div><h3>before</h3>${barList(data.domainsBefore, first?.in ?? 0)}</div><div><h3>after</h3>${barList(data.domainsAfter, data.kept.documents)}</div></div>`,
    ),
    data.languages.length > 0
      ? section("Languages of what was kept", "", barList(data.languages, data.kept.documents))
      : "",
    data.clusterSizes.length > 0
      ? section(
          "Clusters of duplicates",
          "How many clusters there are of each size.",
          barList(data.clusterSizes, 0),
        )
      : "",
    data.pii.length > 0
      ? section("Personal data replaced", "Spans found in the documents kept.", barList(data.pii, 0))
      : "",
    data.steps.length > 1 ? section("Training", "", lossChart(data.steps) + sampleTimeline(data)) : "",
    section(
      "Recipe",
      "Every value as it was used.",
      `<details><summary>show</summary><pre>${escapeHtml(JSON.stringify(plan.recipe, null, 2))}</pre></details>`,
    ),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${name} · curate report</title><style>${style}</style></head><body><main>${sections.join("\n")}
<footer>Made by curate ${escapeHtml(plan.version)}. Replay any threshold with <code>curate stats --what-if stage.option=value</code>.</footer></main></body></html>
`;
}

function section(title: string, about: string, body: string, id = ""): string {
  return `<section${id ? ` id="${id}"` : ""}><h2>${title}</h2>${about ? `<p class="about">${about}</p>` : ""}${body}</section>`;
}

function costTable(stages: readonly StageStats[]): string {
  const total = stages.reduce((sum, stage) => sum + stage.cpuSeconds, 0);
  const rows = stages
    .filter(stage => stage.cpuSeconds > 0)
    .map(stage => {
      const rate = stage.in > 0 ? grouped(stage.in / stage.cpuSeconds) : "";
      const share = (stage.cpuSeconds / Math.max(1e-9, total)) * 100;
      return `<tr><td>${escapeHtml(stage.name)}</td><td class="bar"><span style="width:${share.toFixed(1)}%"></span></td><td class="n">${stage.cpuSeconds.toFixed(2)} s</td><td class="n">${rate} docs/s</td></tr>`;
    });
  return `<table class="bars">${rows.join("")}</table>`;
}

function stageSection(stage: StageStats, data: ReportData): string {
  const distributions = data.distributions.filter(({ stage: of }) => of === stage.name);
  const rejected = data.rejected.filter(({ stage: of }) => of === stage.name);
  const lost = droppedTotal(stage);
  if (lost + stage.failed === 0 && distributions.length === 0) return "";
  const reasons = Object.entries(stage.dropped).sort(([, n], [, m]) => m - n);
  if (stage.failed > 0) reasons.push(["failed", stage.failed]);
  const parts = [
    reasons.length > 0 ? barList(reasons, stage.in) : '<p class="none">Nothing was dropped here.</p>',
    distributions.length > 0 ? `<div class="histograms">${distributions.map(histogram).join("")}</div>` : "",
    ...groupByReason(rejected).map(([reason, list]) => rejectedBlock(reason, list)),
  ];
  const about = `${grouped(lost)} of ${grouped(stage.in)} dropped${distributions.length > 0 ? `; measures of ${grouped(distributions[0]!.documents)} documents, heights as square roots` : ""}`;
  return section(escapeHtml(stage.name), about, parts.join(""), `stage-${escapeHtml(stage.name)}`);
}

function groupByReason(list: readonly RejectedSample[]): [string, RejectedSample[]][] {
  const groups = new Map<string, RejectedSample[]>();
  for (const sample of list) groups.set(sample.reason, [...(groups.get(sample.reason) ?? []), sample]);
  return [...groups];
}

function rejectedBlock(reason: string, list: readonly RejectedSample[]): string {
  const items = list.map(({ url, value, threshold, text }) => {
    const number = (cell: string) =>
      cell !== "" && Number.isFinite(Number(cell)) ? short(Number(cell)) : escapeHtml(cell);
    const verdict =
      value === ""
        ? ""
        : `<span class="verdict">${number(value)}${threshold === "" ? "" : ` against ${number(threshold)}`}</span>`;
    return `<li><div class="url">${escapeHtml(url)} ${verdict}</div>${text ? `<blockquote>${escapeHtml(text)}</blockquote>` : ""}</li>`;
  });
  return `<details><summary>${escapeHtml(reason)}: ${list.length} example${list.length === 1 ? "" : "s"}</summary><ul class="samples">${items.join("")}</ul></details>`;
}

function sampleTimeline({ samples }: ReportData): string {
  if (samples.length === 0) return "";
  const step = Math.max(1, Math.floor(samples.length / 8));
  const shown = samples.filter((_, i) => i % step === 0 || i === samples.length - 1);
  return `<h3>How it learned to write</h3><ol class="timeline">${shown.map(({ step, text }) => `<li><b>step ${grouped(step)}</b> ${escapeHtml(text)}</li>`).join("")}</ol>`;
}

const style = `
:root{--ink:#1c2330;--soft:#5b6575;--line:#d9dee6;--paper:#fff;--panel:#f6f8fa;--kept:#2f6fb0;--lost:#e0a458;--threshold:#b3261e;--val:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#9aa5b5;--line:#323a47;--paper:#14181f;--panel:#1b212a;--kept:#5b9bd9;--lost:#9c6b28;--threshold:#ff7a70;--val:#ff7a70}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 20px 60px}h1{font-size:30px;margin:0 0 4px}h2{font-size:20px;margin:0 0 4px}h3{font-size:15px;margin:16px 0 4px;color:var(--soft)}
header p{font-size:17px;margin:0 0 12px}section{border-top:1px solid var(--line);padding:18px 0 8px;break-inside:avoid-page}.about,.none,.legend,footer{color:var(--soft);margin:0 0 10px}
svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);font:13px system-ui,sans-serif}svg .number,svg .tick{fill:var(--soft)}svg .tick{font-size:10px}svg a{text-decoration:none}
.kept{fill:var(--kept)}.lost{fill:var(--lost)}.threshold{stroke:var(--threshold);stroke-width:1.6}.threshold-words{color:var(--threshold)}.grid{stroke:var(--line)}
.train{fill:none;stroke:var(--kept);stroke-width:1.3}.val{fill:none;stroke:var(--val);stroke-width:1.6}.val-dot{fill:var(--val)}
.key{display:inline-block;width:18px;height:3px;vertical-align:middle;background:var(--kept);margin:0 4px 0 12px}.val-key{background:var(--val)}
table.bars{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}.bars td{padding:2px 8px 2px 0;vertical-align:middle;overflow-wrap:anywhere}.bars td.bar{width:40%}.bars .bar span{display:block;height:12px;background:var(--kept);border-radius:2px;min-width:1px}.bars .n{text-align:right;white-space:nowrap;color:var(--soft)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:24px}.histograms{display:grid;grid-template-columns:repeat(auto-fill,minmax(270px,1fr));gap:14px;margin:14px 0}
.histogram{margin:0;background:var(--panel);border-radius:6px;padding:8px 10px}.histogram figcaption{font-size:12.5px;margin-bottom:4px}
details{margin:6px 0}summary{cursor:pointer}.samples{list-style:none;padding:0;margin:6px 0}.samples li{margin:0 0 12px}.url{font-size:13px;overflow-wrap:anywhere}.verdict{color:var(--threshold)}
blockquote{margin:4px 0;padding:8px 12px;background:var(--panel);border-left:3px solid var(--lost);white-space:pre-wrap;overflow-wrap:anywhere;font-size:13.5px;max-height:180px;overflow:auto}
pre{background:var(--panel);padding:12px;overflow:auto;font-size:12.5px}.timeline{padding-left:0;list-style:none}.timeline li{margin:6px 0;padding:6px 10px;background:var(--panel);border-radius:6px;white-space:pre-wrap}.timeline b{color:var(--soft);margin-right:8px;font-weight:600}
@media print{details{break-inside:avoid}body{font-size:12px}}`;
