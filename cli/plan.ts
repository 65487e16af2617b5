/** `curate plan`: what it is called and takes. What it does is loaded when it is called. */
import { command, type Flags } from "./command.ts";

export const planFlags = {
  workdir: {
    type: "text",
    value: "DIR",
    about: "the workdir, which every task must see; default: the recipe's",
  },
  set: { type: "list", value: "a.b=c", about: "override one value of the recipe; may be repeated" },
  limit: { type: "number", value: "N", about: "only the first N input files" },
  "max-elements": { type: "number", value: "N", about: "at most so many elements a group; default: 1000" },
  kubernetes: { type: "flag", about: "also write an Indexed Job for each group, in work/kubernetes" },
  image: {
    type: "text",
    value: "IMAGE",
    about: "Kubernetes: the image that holds curate; default: curate",
  },
  claim: {
    type: "text",
    value: "NAME",
    about: "Kubernetes: the volume claim of the workdir; default: curate",
  },
  json: { type: "flag", about: "the groups as JSON" },
} as const satisfies Flags;

export const plan = command({
  name: "plan",
  about:
    "Writes the plan of a run: groups of tasks, to be run in order, each element by  curate task GROUP.  The statistics are merged, and anything that is missing is done, by  curate run  at the end.",
  usage: "[stages.yaml]",
  example:
    "curate plan stages.yaml --workdir runs/curate --kubernetes --image registry/curate:1 --claim corpus",
  maxPositionals: 1,
  flags: planFlags,
  run: async (positionals, flags) => (await import("./plan-groups.ts")).planGroups(positionals, flags),
});
