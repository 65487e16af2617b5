/**
 * The built page, read into memory once: a request chooses among these files by their whole name and can reach
 * nothing else on disk.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { builtRoot } from "../../lib/package-root.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

export type PageFile = { readonly body: Uint8Array<ArrayBuffer>; readonly type: string };

/** By request path: "/", "/assets/index-….js". */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const root = join(builtRoot, "studio", "page");
  if (!existsSync(join(root, "index.html")))
    throw new UserError("the studio's page is not built", "Run  npm run build  in the package's folder.");
  const files = new Map<string, PageFile>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const type = types[extname(entry.name)];
    if (!entry.isFile() || !type) continue;
    const path = join(entry.parentPath, entry.name);
    const body = new Uint8Array(readFileSync(path));
    files.set(`/${path.slice(root.length + 1).replaceAll("\\", "/")}`, { body, type });
  }
  files.set("/", files.get("/index.html")!);
  return files;
}
