/**
 * The main thread's side of files that are read as they come: one client and one limiter for all worker threads, which
 * ask over a port each. A thread that ends takes what it had open with it.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { UserError } from "../../lib/errors.ts";
import type { Plan } from "../execute/plan.ts";
import { type FromWorker, failureOf } from "../execute/workers.ts";
import type { Input } from "../inputs.ts";
import { ChangedInput } from "./changed-input.ts";
import type { Client } from "./client.ts";
import type { Clock } from "./limiter.ts";
import { crawlOf } from "./options.ts";
import type { Part } from "./stream.ts";
import type { FromHost, ToHost } from "./stream-reader.ts";

export type StreamHost = {
  /** A port for one thread, to give to `streamReader` there. */
  port(): MessagePort;
  close(): Promise<void>;
};

export type StreamHostOptions = {
  readonly plan: Plan;
  readonly say: (line: string) => void;
  readonly clock?: Clock;
  readonly idle?: number;
  /** Bytes asked for at a time; default: by the recipe's `memory`. */
  readonly piece?: number;
};

/** A pause shorter than this is not worth a line. */
const longPause = 10_000;

/** A thread holds two pieces, this one as many as there are connections. */
export const pieceOf = (memory: number): number =>
  Math.min(32 << 20, Math.max(1 << 20, Math.floor(memory / 64)));

class Closed extends Error {}

type Waiting = { go(from: number): void; stop(why: Error): void };

export function openStreamHost(options: StreamHostOptions): StreamHost {
  const { plan, say, piece = pieceOf(plan.recipe.memory) } = options;
  const source = crawlOf(plan.recipe.source)!;
  let opened: Promise<Client> | null = null;
  const client = () => (opened ??= open());
  const open = async () => {
    const { clientFor } = await import("./commoncrawl.ts");
    return clientFor(source, {
      clock: options.clock,
      idle: options.idle,
      version: plan.version,
      seed: plan.recipe.seed,
      onWait: waiting => {
        if (waiting && waiting.milliseconds >= longPause)
          say(`${waiting.why}: waiting ${Math.ceil(waiting.milliseconds / 1000)} s`);
      },
    });
  };

  const stream = async (input: Input, handOver: (part: Part) => Promise<number>): Promise<boolean> => {
    const [{ streamFile }, { urlOf }] = await Promise.all([
      import("./stream.ts"),
      import("./commoncrawl.ts"),
    ]);
    const url = urlOf(source, input.name);
    const there = await streamFile(await client(), { url, listed: input, piece, handOver });
    if (!there && source.missing === "fail")
      throw new UserError(
        `${url}: the host does not have it any more (404)`,
        "Go on without it with  source: { missing: skip }.",
      );
    return there;
  };

  const serve = (port: MessagePort) => {
    const files = new Map<number, Waiting>();
    const idle: Waiting = { go() {}, stop() {} };
    const answer = (message: FromHost, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
    const read = async (id: number, input: Input) => {
      files.set(id, idle);
      try {
        const there = await stream(input, part => {
          if (!files.has(id)) throw new Closed();
          const buffer = part.bytes.buffer;
          answer({ kind: "part", id, part }, [buffer]);
          return new Promise((go, stop) => files.set(id, { go, stop }));
        });
        if (!there) answer({ kind: "missing", id });
      } catch (error) {
        if (error instanceof ChangedInput) answer({ kind: "changed", id, url: error.url });
        else if (!(error instanceof Closed))
          answer({ ...(failureOf(error) as Extract<FromWorker, { kind: "failed" }>), id });
      }
      files.delete(id);
    };
    const close = (id: number) => {
      const file = files.get(id);
      files.delete(id);
      file?.stop(new Closed());
    };
    port.on("message", (message: ToHost) => {
      if (message.kind === "open") void read(message.id, message.input);
      else if (message.kind === "want") files.get(message.id)?.go(message.from);
      else close(message.id);
    });
    port.on("close", () => {
      for (const id of [...files.keys()]) close(id);
    });
  };

  const ports: MessagePort[] = [];
  return {
    port() {
      const { port1, port2 } = new MessageChannel();
      ports.push(port1);
      serve(port1);
      return port2;
    },
    async close() {
      for (const port of ports) port.close();
      const client = await opened;
      client?.limiter.stop(new Error("stopped"));
      await client?.close();
    },
  };
}
