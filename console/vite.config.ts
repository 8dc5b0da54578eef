/**
 * How the console is built: static files with hashed names under assets/, no inline script, so that the page can be
 * served under a policy that allows scripts of its own origin only. scripts/build.mjs runs it.
 */
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The first page that most visits show is fetched beside the shell instead of after it. */
const preloadChat: Plugin = {
  name: "preload-chat",
  transformIndexHtml: {
    order: "post",
    handler(_html, { bundle = {} }) {
      const chunks = Object.values(bundle).filter((file) => file.type === "chunk");
      const chat = chunks.find(({ facadeModuleId }) => facadeModuleId?.endsWith("/pages/chat/page.tsx"));
      const entry = chunks.find(({ isEntry }) => isEntry);
      const files = chat === undefined ? [] : [chat.fileName, ...chat.imports];
      return files
        .filter((file) => file !== entry?.fileName)
        .map((file) => ({
          tag: "link",
          attrs: { rel: "modulepreload", crossorigin: true, href: `./${file}` },
          injectTo: "head",
        }));
    },
  },
};

export default defineConfig({
  plugins: [preloadChat],
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
