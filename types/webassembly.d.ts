/**
 * The part of the WebAssembly JavaScript API that this package uses. TypeScript declares it in its "dom" library,
 * which would also let browser names into code that runs in Node.js.
 */
declare namespace WebAssembly {
  type ImportValue = Memory | ((...values: number[]) => unknown) | number;
  type Imports = Record<string, Record<string, ImportValue>>;

  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBuffer;
    /** By pages of 64 KiB; the number of pages before. */
    grow(pages: number): number;
  }

  class Module {
    constructor(bytes: Uint8Array | ArrayBuffer);
  }

  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Record<string, unknown>;
  }

  function validate(bytes: Uint8Array | ArrayBuffer): boolean;
  function compile(bytes: Uint8Array | ArrayBuffer): Promise<Module>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
}
