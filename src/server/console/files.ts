/**
 * The console's files: one page and its assets, read from where the build put them, held in memory, and answered by name
 * only out of what was found there, so that no path can lead anywhere else.
 *
 * The page is asked again each time (304 when it is the same); assets have their content in their names and are kept for
 * ever. When a new build has taken the place of the old one, the next visit of the page finds it.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { fail } from "../../core/index.ts";

const compress = promisify(gzip);

/** Scripts, styles, pictures and requests of this origin only: the page cannot be made to load anything else. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'", // sizes of bars and charts are set by the page
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const PAGE_HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
} as const;

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};

/** Names that a build gives, and nothing that means a folder. */
const ASSET_NAME = /^[\w][\w.-]{0,199}$/;
/** More would be no console. */
const MOST_FILES = 500;
const MOST_BYTES = 32 * 2 ** 20;
/** Smaller ones are not worth it. */
const LEAST_GZIP_BYTES = 1024;

/** What stands at / where no console was built. */
const NO_CONSOLE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Punctual</title>
<p>Punctual is running. Its console was not built here: <code>npm run build</code> makes it.
<p>OpenAI's interface is at <code>/v1</code>; <a href="openapi.json">openapi.json</a> describes it.</html>
`;

interface ConsoleFile {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Null where it would not be smaller. */
  readonly gzipped: Uint8Array<ArrayBuffer> | null;
}

interface Build {
  readonly page: ConsoleFile;
  readonly assets: ReadonlyMap<string, ConsoleFile>;
  readonly builtMs: number;
}

/** Where the build puts the console, beside the compiled server. */
function shippedFolder(): string {
  const isSource = import.meta.url.endsWith(".ts");
  return fileURLToPath(new URL(isSource ? "../../../dist/console" : "../../console", import.meta.url));
}

/** See the head of this file. */
export class ConsoleFiles {
  readonly #folder: string;
  #build: Promise<Build | null> | null = null;

  /** @param folder with index.html and assets/; the shipped one when absent. */
  constructor(folder: string = shippedFolder()) {
    this.#folder = folder;
  }

  /** The page. */
  async page(request: Request): Promise<Response> {
    const build = await this.#current();
    const headers = { ...PAGE_HEADERS, "cache-control": "no-cache" };
    return answer(request, build?.page ?? (await fileOf(".html", Buffer.from(NO_CONSOLE))), headers);
  }

  /** A file under assets/. Errors: `not_found`. */
  async asset(request: Request, name: string): Promise<Response> {
    const build = await (this.#build ?? this.#current());
    const file =
      build?.assets.get(name) ?? // of a build that came after the page was asked
      (await this.#current())?.assets.get(name) ??
      fail("not_found", "There is no such file.");
    const headers = { "x-content-type-options": "nosniff", "cache-control": "public, max-age=31536000, immutable" };
    return answer(request, file, headers);
  }

  /** The build that lies there now, read again only when it is another one. */
  async #current(): Promise<Build | null> {
    const known = await this.#build;
    const builtMs = await modifiedMs(join(this.#folder, "index.html"));
    if (known !== null && known !== undefined && known.builtMs === builtMs) return known;
    this.#build = builtMs === null ? null : readBuild(this.#folder, builtMs);
    // One that is being replaced while it is read is as good as none.
    this.#build?.catch(() => {
      this.#build = null;
    });
    return this.#build;
  }
}

async function readBuild(folder: string, builtMs: number): Promise<Build> {
  const page = await fileOf(".html", await readFile(join(folder, "index.html")));
  const assets = new Map<string, ConsoleFile>();
  const names = (await readdir(join(folder, "assets"))).filter((name) => ASSET_NAME.test(name));
  let bytes = 0;
  for (const name of names.slice(0, MOST_FILES)) {
    const content = await readFile(join(folder, "assets", name));
    bytes += content.length;
    if (bytes > MOST_BYTES) break;
    assets.set(name, await fileOf(extname(name), content));
  }
  return { page, assets, builtMs };
}

async function fileOf(extension: string, content: Buffer): Promise<ConsoleFile> {
  const bytes = new Uint8Array(content);
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 27)}"`;
  const type = TYPES[extension.toLowerCase()] ?? "application/octet-stream";
  const isText = /^text|json|svg/.test(type) && bytes.length >= LEAST_GZIP_BYTES;
  const gzipped = isText ? new Uint8Array(await compress(bytes)) : null;
  return { type, etag, bytes, gzipped: gzipped !== null && gzipped.length < bytes.length ? gzipped : null };
}

async function modifiedMs(path: string): Promise<number | null> {
  try {
    return (await stat(path)).mtimeMs;
  } catch {
    return null; // there is none
  }
}

/** The file, or that the client has it. A HEAD request gets the same without a body, by the router. */
function answer(request: Request, file: ConsoleFile, more: Readonly<Record<string, string>>): Response {
  const wantsGzip = /(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)/i.test(
    request.headers.get("accept-encoding") ?? "",
  );
  const gzipped = wantsGzip ? file.gzipped : null;
  // Two encodings are two representations.
  const etag = gzipped === null ? file.etag : file.etag.replace(/"$/, '-gzip"');
  const headers: Record<string, string> = { ...more, etag, vary: "accept-encoding" };
  if (isKnown(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
  const body = gzipped ?? file.bytes;
  headers["content-type"] = file.type;
  headers["content-length"] = String(body.length);
  if (gzipped !== null) headers["content-encoding"] = "gzip";
  return new Response(body, { headers });
}

/** RFC 9110 §13.1.2: a list of tags, compared weakly, or "*". */
function isKnown(header: string | null, etag: string): boolean {
  if (header === null) return false;
  const tags = header.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(etag);
}
