/**
 * Groups of tasks as Kubernetes manifests: one Indexed Job a group, numbered in the order in which they have to
 * complete. Pure. The workdir is a volume claim mounted where the plan says it is; indexed Jobs with more than 10,000
 * completions need a backoff limit for each index, which Kubernetes has since 1.29.
 */
import { stringify } from "yaml";

export type GroupOfTasks = {
  readonly phase: string;
  readonly about: string;
  readonly jobs: number;
  readonly elements: number;
  readonly path: string;
};

export type KubernetesOptions = {
  /** The recipe's name. */
  readonly name: string;
  readonly image: string;
  readonly claim: string;
  readonly workdir: string;
  /** Bytes a job may hold. */
  readonly memory: number;
  readonly workers: number | null;
};

/** Pods at work at a time, where the cluster has room. */
const parallelism = 100;
const retries = 2;

export function kubernetesJobs(
  groups: readonly GroupOfTasks[],
  options: KubernetesOptions,
): { readonly file: string; readonly yaml: string }[] {
  return groups.map((group, i) => {
    const number = String(i).padStart(2, "0");
    return { file: `${number}-${group.phase}.yaml`, yaml: stringify(manifest(group, number, options)) };
  });
}

function manifest(
  { phase, elements, path }: GroupOfTasks,
  number: string,
  options: KubernetesOptions,
): unknown {
  const { name, image, claim, workdir, memory, workers } = options;
  const labels = { app: "curate", run: label(name), phase: label(phase) };
  // What the engine keeps to, and room for the runtime and what it reads.
  const mebibytes = Math.ceil((memory * 1.5) / 2 ** 20) + 512;
  const container = {
    name: "task",
    image,
    args: ["task", path],
    volumeMounts: [{ name: "workdir", mountPath: workdir }],
    resources: {
      requests: { cpu: phase === "train" ? String(workers ?? 1) : "1", memory: `${mebibytes}Mi` },
      limits: { memory: `${mebibytes}Mi` },
    },
  };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: jobName(name, number, phase), labels },
    spec: {
      completionMode: "Indexed",
      completions: elements,
      parallelism: Math.min(elements, parallelism),
      backoffLimitPerIndex: retries,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: "Never",
          containers: [container],
          volumes: [{ name: "workdir", persistentVolumeClaim: { claimName: claim } }],
        },
      },
    },
  };
}

/**
 * Different for each group however long the recipe's name is. Kubernetes names a Job's pods after it and their number,
 * and both together are a label: six characters stay free for up to 100,000 elements.
 */
function jobName(recipe: string, number: string, phase: string): string {
  const end = `-${number}-${phase}`;
  return label(`${label(`curate-${recipe}`).slice(0, 63 - 6 - end.length)}${end}`);
}

/** A name as Kubernetes takes it: lower-case letters, digits and dashes, at most 63, a letter or digit at both ends. */
export function label(text: string): string {
  const clean = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 63);
  return clean.replace(/^-+|-+$/g, "") || "curate";
}
