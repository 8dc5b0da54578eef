/** The console's files over a real socket: what a browser needs, and nothing that does not belong to it. */
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createServer, type PunctualServer } from "../index.ts";

const PAGE = '<!doctype html><script type="module" src="./assets/index-abc.js"></script>';
const SCRIPT = "console.log(1);".repeat(200);

let dir: string;
let server: PunctualServer;
let url: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-console-"));
  await mkdir(join(dir, "build", "assets", "folder"), { recursive: true });
  await writeFile(join(dir, "secret.txt"), "secret");
  await writeFile(join(dir, "build", "secret.txt"), "secret");
  await writeFile(join(dir, "build", "index.html"), PAGE);
  await writeFile(join(dir, "build", "assets", "index-abc.js"), SCRIPT);
  await writeFile(join(dir, "build", "assets", "theme-abc.css"), "a{}");
  await rm(join(dir, "build", "assets", "folder"), { recursive: true });
  server = createServer({ engines: [], consoleDir: join(dir, "build") });
  ({ url } = await server.listen({ port: 0 }));
});
afterAll(async () => {
  await server.close({ graceMs: 0 });
  await rm(dir, { recursive: true });
});

/** A request line as it is, which `fetch` would tidy. */
async function raw(path: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  let text = "";
  for await (const part of socket) text += String(part);
  return text;
}

test("the page runs scripts of its own origin only, and is asked again", async () => {
  const response = await fetch(`${url}/`);
  expect(await response.text()).toBe(PAGE);
  const policy = response.headers.get("content-security-policy")!;
  expect(policy).toMatch(/^default-src 'none'; script-src 'self'; /);
  expect(policy).not.toMatch(/script-src[^;]*unsafe/);
  expect(response.headers.get("cache-control")).toBe("no-cache");
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  const etag = response.headers.get("etag")!;
  for (const known of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
    const again = await fetch(`${url}/`, { headers: { "if-none-match": known } });
    expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", etag]);
    expect(again.headers.get("content-security-policy")).toBe(policy);
  }
  expect((await fetch(`${url}/`, { headers: { "if-none-match": '"other"' } })).status).toBe(200);
});

test("assets are kept for ever, smaller where the client can read that", async () => {
  const path = `${url}/assets/index-abc.js`;
  const plain = await fetch(path, { headers: { "accept-encoding": "identity" } });
  expect(plain.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
  expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect(plain.headers.get("content-length")).toBe(String(SCRIPT.length));
  expect(await plain.text()).toBe(SCRIPT);
  const small = await fetch(path, { headers: { "accept-encoding": "br;q=1, gzip" } });
  expect(small.headers.get("content-encoding")).toBe("gzip");
  expect(await small.text()).toBe(SCRIPT);
  expect(small.headers.get("etag")).not.toBe(plain.headers.get("etag"));
  const refused = await fetch(path, { headers: { "accept-encoding": "gzip;q=0" } });
  expect(refused.headers.get("content-encoding")).toBe(null);
  expect((await fetch(`${url}/assets/theme-abc.css`)).headers.get("content-encoding")).toBe(null);
});

test("HEAD says what GET says", async () => {
  for (const path of ["/", "/assets/index-abc.js"]) {
    const headers = { "accept-encoding": "identity" };
    const [got, head] = await Promise.all(["GET", "HEAD"].map((method) => fetch(url + path, { method, headers })));
    expect(head!.status).toBe(200);
    expect(await head!.text()).toBe("");
    for (const name of ["etag", "content-type", "cache-control", "content-security-policy"]) {
      expect(head!.headers.get(name)).toBe(got!.headers.get(name));
    }
  }
});

test.each([
  "/assets/../secret.txt",
  "/assets/..%2fsecret.txt",
  "/assets/%2e%2e%2fsecret.txt",
  "/assets/..%5csecret.txt",
  "/assets/%2e%2e/%2e%2e/secret.txt",
  "/assets//etc/passwd",
  "/assets/%2fetc%2fpasswd",
  "/assets/index-abc.js%00.txt",
  "/assets/",
  "/secret.txt",
  "/index.html",
])("%s is no way out", async (path) => {
  const text = await raw(path);
  expect(text).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(text).not.toContain("root:");
  expect(text.toLowerCase()).not.toContain("\r\n\r\nsecret");
});

test("a new build is found by the next visit, with its own assets", async () => {
  expect((await fetch(`${url}/assets/index-def.js`)).status).toBe(404);
  await writeFile(join(dir, "build", "assets", "index-def.js"), "2");
  await writeFile(join(dir, "build", "index.html"), PAGE.replace("abc", "def"));
  const later = new Date(Date.UTC(2100, 0));
  await utimes(join(dir, "build", "index.html"), later, later);
  expect(await (await fetch(`${url}/`)).text()).toContain("index-def.js");
  expect(await (await fetch(`${url}/assets/index-def.js`)).text()).toBe("2");
});

test("without a build there is a page that says so", async () => {
  await using bare = createServer({ engines: [], consoleDir: join(dir, "nowhere") });
  const response = await bare.app.request("/");
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(await response.text()).toContain("npm run build");
  expect((await bare.app.request("/assets/index-abc.js")).status).toBe(404);
});
