/** `curate eval`: how good a model is: validation loss, bits per byte, HellaSwag. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { openShards } from "../tokenizer/shards/read.ts";
import { evaluate as evaluateModel, hellaSwag, hellaSwagItems } from "../trainer/evaluate.ts";
import type { FlagValues } from "./command.ts";
import type { evalFlags } from "./eval.ts";
import { deviceFlag, locateModel } from "./sample.ts";
import { json, out } from "./terminal.ts";

export async function measureModel(_: readonly string[], flags: FlagValues<typeof evalFlags>) {
  const task = flags.task ?? "val";
  if (task !== "val" && task !== "hellaswag")
    throw new UserError(`--task: expected val or hellaswag, got ${JSON.stringify(task)}`);
  const { model, tokenizer } = await locateModel(flags);
  const { openTalker } = await import("./talk.ts");
  const talker = await openTalker(model, tokenizer, deviceFlag(flags.device), flags.threads ?? null);
  try {
    if (task === "val") {
      const dir = flags.data ?? join(tokenizer, "..", "shards");
      const result = await evaluateModel(
        talker.model,
        openShards(dir, "val"),
        talker.vocabulary.vocabulary,
        flags.tokens ?? 10_485_760,
      );
      if (flags.json) return json({ task, ...result });
      return out(
        `validation loss ${result.loss.toFixed(4)} nats a token${result.bitsPerByte === null ? "" : `, ${result.bitsPerByte.toFixed(4)} bits a byte`} over ${result.tokens} tokens`,
      );
    }
    if (flags.data === undefined || !existsSync(flags.data))
      throw new UserError(
        "--task hellaswag needs --data FILE with its items as JSON lines",
        "Each line: ctx, endings, label.",
      );
    const items = hellaSwagItems(readFileSync(flags.data, "utf8"), flags.data).slice(0, flags.limit);
    const result = await hellaSwag(talker.model, items, talker.vocabulary.vocabulary.encode);
    if (flags.json) return json({ task, ...result });
    out(
      Object.entries(result)
        .map(([name, value]) => `${name} ${typeof value === "number" ? Number(value.toPrecision(4)) : value}`)
        .join(" · "),
    );
  } finally {
    await talker.close();
  }
}
