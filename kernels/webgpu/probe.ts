/**
 * Asks for the WebGPU adapter in a process of its own. A driver that crashes or hangs then costs an answer and not the
 * run, a machine without a GPU does not carry Dawn and Mesa in memory (about 100 MB), and what Dawn writes to the
 * terminal while it looks around (two warnings about limits, on every machine) is not shown. Takes 0.3 s.
 */
import { execFile } from "node:child_process";

export type Found = {
  readonly name: string;
  readonly kind: "cpu" | "gpu" | "software";
  readonly features: readonly string[];
  /** Free, where the system says so. */
  readonly memoryBytes: number | null;
  /** For people: the subgroup-matrix configurations. */
  readonly matrices: readonly string[];
  /** What would be used in f32 and in f16, and what was said on the way (matrix units that failed their check). */
  readonly uses: { readonly f32: string; readonly f16: string };
  readonly notes: readonly string[];
};

const seconds = 60;

/** What there is, a software adapter included, or why there is nothing. `whole` also opens and checks it. */
export function probe(whole: boolean): Promise<Found | { readonly unavailable: string }> {
  const url = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const script = `
    const { connect, matrixName } = await import(${url("./adapter.js")});
    const { openWebgpu } = await import(${url("./device.js")});
    const found = await connect({ allowSoftware: true });
    if ("unavailable" in found) await answer(found);
    const notes = [];
    const uses = { f32: "", f16: "" };
    if (${whole}) for (const precision of ["f32", "f16"]) {
      const device = await openWebgpu({ allowSoftware: true, precision, log: line => notes.push(line) });
      if ("unavailable" in device) await answer(device);
      uses[precision] = device.about;
      await device.destroy();
    }
    await answer({
      name: found.adapter.name, kind: found.adapter.kind, features: [...found.features],
      memoryBytes: found.adapter.details.memoryBytes ?? null,
      matrices: found.matrixConfigs.map(matrixName), uses, notes,
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
