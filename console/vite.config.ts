/**
 * How the console is built: static files with hashed names under assets/, no inline script, so that the page can be
 * served under a policy that allows scripts of its own origin only. scripts/build.mjs runs it.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here("."),
  base: "./",
  publicDir: false,
  resolve: { alias: { "@protocol": here("../src/protocol/index.ts") } },
  build: {
    outDir: here("../dist/console"),
    emptyOutDir: true,
    target: "es2022",
    // A font or picture as a data: URL would be refused by the page's policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // `npx vite console` while a server runs on 8080: the page reloads by itself, requests go to the server.
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/admin", "/health", "/openapi.json"].map((path) => [path, "http://localhost:8080"]),
    ),
  },
});
