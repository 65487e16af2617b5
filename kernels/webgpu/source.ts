/**
 * Reads kernels/wgsl/*.wgsl and what each file declares about itself: bindings by name, the fields of `struct Params`
 * and the template constants. So a name stands once, in the shader, and a launcher that misspells it is told so.
 * Knows the subset of WGSL our files are written in, not the language.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { builtRoot } from "../../lib/package-root.ts";

export type Access = "read" | "read_write";

export type KernelSource = {
  readonly name: string;
  readonly code: string;
  /** Storage bindings in order; binding 0 is the uniform `struct Params`. */
  readonly bindings: readonly { readonly binding: number; readonly name: string; readonly access: Access }[];
  readonly params: readonly { readonly name: string; readonly type: "u32" | "i32" | "f32" }[];
  readonly overrides: readonly string[];
  /**
   * What WGSL will not take as an override: `const` and `alias` lines marked `// template` (an alias is f16 or f32),
   * and the names of `// if NAME` at the end of lines, which are left out where NAME is 0.
   */
  readonly templates: readonly string[];
};

const folder = join(builtRoot, "kernels", "wgsl");
const loaded = new Map<string, KernelSource>();

export function kernelNames(): string[] {
  return readdirSync(folder)
    .filter(file => file.endsWith(".wgsl"))
    .map(file => file.slice(0, -".wgsl".length))
    .sort();
}

export function kernelSource(name: string): KernelSource {
  let source = loaded.get(name);
  if (!source) loaded.set(name, (source = parseKernel(name, withFunctions(textOf(`${name}.wgsl`)))));
  return source;
}

const textOf = (file: string) => readFileSync(join(folder, file), "utf8");

/** A line `// as in FILE: fn NAME` becomes that function of that file. */
function withFunctions(code: string): string {
  return code.replace(/^\/\/ as in ([\w-]+\.wgsl): fn (\w+)$/gm, (_, file: string, name: string) => {
    const found = new RegExp(`^fn ${name}\\([^]*?^}`, "m").exec(textOf(file));
    if (!found) throw new Error(`${file} has no function ${name}`);
    return found[0];
  });
}

export function parseKernel(name: string, code: string): KernelSource {
  const bindings = [
    ...code.matchAll(/@group\(0\) @binding\((\d+)\) var<storage, (read|read_write)> (\w+)/g),
  ].map(([, binding, access, variable]) => ({
    binding: Number(binding),
    name: variable!,
    access: access as Access,
  }));
  const struct = /struct Params \{([^}]*)\}/.exec(code);
  if (!struct) throw new Error(`${name}.wgsl has no struct Params`);
  const params = [...struct[1]!.matchAll(/^\s*(\w+): (u32|i32|f32),/gm)].map(([, field, type]) => ({
    name: field!,
    type: type as "u32" | "i32" | "f32",
  }));
  if (params.length === 0 || params.length > 64)
    throw new Error(`${name}.wgsl: struct Params has ${params.length} fields`);
  const overrides = [...code.matchAll(/^override (\w+)/gm)].map(match => match[1]!);
  const marked = [
    ...code.matchAll(/^(?:const|alias) (\w+)[^;]*; \/\/ template/gm),
    ...code.matchAll(/ \/\/ if (\w+)$/gm),
  ];
  const templates = [...new Set(marked.map(match => match[1]!))];
  return { name, code, bindings, params, overrides, templates };
}

/** The text to compile: template constants set, and the bindings in `shared` declared read_write. */
export function specialise(
  source: KernelSource,
  constants: Readonly<Record<string, number>>,
  shared: ReadonlySet<string>,
): string {
  let code = source.code;
  for (const name of source.templates) {
    const value = constants[name];
    if (value === undefined) continue;
    if (value === 0) code = code.replace(new RegExp(`^.* // if ${name}\n`, "gm"), "");
    code = code.replace(new RegExp(`^const ${name} = \\d+u;`, "m"), `const ${name} = ${value}u;`);
    code = code.replace(new RegExp(`^alias ${name} = f\\d+;`, "m"), `alias ${name} = f${value};`);
  }
  if (/^alias \w+ = f16;/m.test(code) && !code.includes("enable f16;")) code = "enable f16;\n" + code;
  for (const name of shared) {
    code = code.replace(new RegExp(`var<storage, read> ${name}\\b`), `var<storage, read_write> ${name}`);
  }
  return code;
}
