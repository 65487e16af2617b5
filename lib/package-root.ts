/**
 * Where this package lies on disk: the folder that holds package.json.
 * Knows nothing of what is in it. Compiled files sit one folder deep (dist/), so the root is two levels up.
 */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const packageRoot: string = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The compiled tree this process runs from (dist/), where built assets such as .wasm and .wgsl lie. */
export const builtRoot: string = resolve(dirname(fileURLToPath(import.meta.url)), "..");
