/**
 * Asks for the WebGPU adapter in a process of its own. A driver that crashes or hangs then costs an answer and not the
 * run (NVIDIA's has been seen to crash on compiling for matrix units), a machine without a GPU does not carry Dawn and
 * Mesa in memory (about 100 MB), and what Dawn writes to the terminal while it looks around (two warnings about limits, on
 * every machine) is not shown. Takes 0.3 s.
 */
import { execFile } from "node:child_process";
import type { Precision } from "./tuning.ts";

export type Found = {
  readonly name: string;
  readonly kind: "cpu" | "gpu" | "software";
  readonly features: readonly string[];
  /** Free, where the system says so. */
  readonly memoryBytes: number | null;
  /** For people: the subgroup-matrix configurations. */
  readonly matrices: readonly string[];
  /** For each precision that was asked for. */
  readonly checks: { readonly [P in Precision]?: Check };
};

/** A device opened in a precision: what it is, for people, and why it does without the adapter's matrix units. */
export type Check = { readonly about: string; readonly matrixFault: string | null };

export type Answer = Found | { readonly unavailable: string };

const seconds = 60;

/** What there is, a software adapter included, or why there is nothing; the device opened and checked in `precisions`. */
export function probe(precisions: readonly Precision[]): Promise<Answer> {
  const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const script = `
    const { connect, matrixName } = await import(${url("./adapter.js")});
    const { openChecked } = await import(${url("./device.js")});
    const found = await connect({ allowSoftware: true });
    if ("unavailable" in found) await answer(found);
    const checks = {};
    for (const precision of ${JSON.stringify(precisions)}) {
      const connection = await connect({ allowSoftware: true });
      if ("unavailable" in connection) await answer(connection);
      const { device, matrixFault } = await openChecked(connection, precision);
      checks[precision] = { about: device.about, matrixFault };
      await device.destroy();
    }
    await answer({
      name: found.adapter.name, kind: found.adapter.kind, features: [...found.features],
      memoryBytes: found.adapter.details.memoryBytes ?? null,
      matrices: found.matrixConfigs.map(matrixName), checks,
    });
    function answer(value) {
      process.stdout.write("\\n" + JSON.stringify(value), () => process.exit(0));
      return new Promise(() => {});
    }`;
  return new Promise(resolve => {
    const options = { timeout: seconds * 1000, killSignal: "SIGKILL" as const, encoding: "utf8" as const };
    execFile(process.execPath, ["--input-type=module", "-e", script], options, (error, stdout) => {
      const last = stdout.trim().split("\n").at(-1) ?? "";
      if (last.startsWith("{")) return resolve(JSON.parse(last) as Found);
      const { signal = null, killed = false } = error ?? {};
      resolve({ unavailable: killed ? `the driver did not answer in ${seconds} s` : crash(signal) });
    });
  });
}

const crash = (signal: string | null) =>
  `the WebGPU driver crashed while it was asked for its adapter${signal ? ` (${signal})` : ""}`;

/**
 * The adapter and whether its matrix units may be used in `precision`. Where the driver does not survive the check, the
 * adapter is asked for again without it, and the matrix units are what is to blame.
 */
export async function probeChecked(
  precision: Precision,
  ask: (precisions: readonly Precision[]) => Promise<Answer> = probe,
): Promise<
  { readonly unavailable: string } | { readonly found: Found; readonly matrixFault: string | null }
> {
  const whole = await ask([precision]);
  if (!("unavailable" in whole)) {
    return { found: whole, matrixFault: whole.checks[precision]?.matrixFault ?? null };
  }
  if (!/driver (crashed|did not answer)/.test(whole.unavailable)) return whole;
  const plain = await ask([]);
  return "unavailable" in plain ? whole : { found: plain, matrixFault: whole.unavailable };
}
