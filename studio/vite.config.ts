/** Builds studio/page to dist/studio/page, everything in files of our own: no inline script, nothing from elsewhere. */
import { join } from "node:path";
import { defineConfig } from "vite";

const root = join(import.meta.dirname, "page");

export default defineConfig({
  root,
  base: "/",
  logLevel: "warn",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: process.env["CURATE_STUDIO_OUT"] ?? join(root, "..", "..", "dist", "studio", "page"),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    target: "es2022",
  },
});
