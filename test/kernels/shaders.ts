/**
 * Shaders rewritten on their way to a software adapter, whose compiler (LLVM without its optimiser) takes seconds for
 * what a GPU's takes milliseconds for. Knows text, not what it computes.
 */
import type { Connection } from "../../kernels/webgpu/adapter.ts";

export function rewriteShaders({ device }: Connection, rewrite: (code: string) => string): void {
  const create = device.createShaderModule.bind(device);
  device.createShaderModule = descriptor => create({ ...descriptor, code: rewrite(descriptor.code) });
}

/**
 * The kernels of tiled products with loops whose bounds the compiler does not know, so that it does not unroll them:
 * 2 s in place of 20 s for a pipeline. Other kernels as they are.
 */
export function rolled(code: string): string {
  if (!code.includes("plane4: u32")) return code;
  return code
    .replace(/for \(var (\w+) = ([^;]+); \1 < ([^;p]+);/g, "for (var $1 = $2; $1 < rolled($3);")
    .replace("@compute", "fn rolled(count: u32) -> u32 { return min(count, p.M * 100000u); }\n@compute");
}
