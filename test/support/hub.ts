/**
 * A server that speaks the Hugging Face hub's HTTP protocol on 127.0.0.1, and misbehaves where a test says so.
 *
 *   GET /api/models/{repo}/revision/{revision}      {"_id","id","sha",…}
 *   GET /api/models/{repo}/tree/{commit}            the files, two to a page, the next one in Link
 *   GET /{repo}/resolve/{commit}/{path}             small files as they are, large ones as a redirect to /cdn/{sha256}
 *
 * https://huggingface.co/docs/hub/api; headers as its clients read them: X-Repo-Commit, X-Linked-Size, X-Linked-ETag,
 * X-Error-Code, ETag, Accept-Ranges, Content-Range.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What goes wrong with the contents of one file. */
export interface Fault {
  /** The connection breaks after so many bytes of each answer, as often as there are numbers. */
  breakAfter?: number[];
  /** Answers end properly, but early, as often as there are numbers. */
  truncateTo?: number[];
  /** One byte is wrong, in so many answers. */
  corrupt?: number;
  /** Answers stop without an end after so many bytes, as often as there are numbers. */
  silentAfter?: number[];
  /** Ranges are not understood. */
  noRanges?: boolean;
  /** Pieces of so many bytes, with a pause between them. */
  slow?: { pieceBytes: number; pauseMs: number };
  /** What the headers claim instead of the truth. */
  linkedSize?: number;
  linkedEtag?: string;
  repoCommit?: string;
}

export interface FakeRepo {
  commit: string;
  /** Contents by path; "lfs" ones have a SHA-256 and lie behind a redirect. */
  readonly files: Map<string, { readonly content: Buffer; readonly lfs: boolean }>;
  readonly faults: Map<string, Fault>;
  /** Answers of the API: 200 when absent. */
  refusal?: { status: number; code?: string; retryAfter?: string; times?: number };
  /** Nobody else may read it. */
  token?: string;
}

export interface FakeHub {
  readonly url: string;
  readonly repos: Map<string, FakeRepo>;
  /** "GET /path range" of every request. */
  readonly requests: string[];
  /** The Authorization headers that the CDN saw. */
  readonly cdnTokens: string[];
  add(name: string, files: Record<string, string | Buffer>, lfs?: readonly string[]): FakeRepo;
  close(): Promise<void>;
}

/** Another server for the contents, as the real hub has one, so that a token sent there would be seen. */
export async function startFakeHub(): Promise<FakeHub> {
  const repos = new Map<string, FakeRepo>();
  const requests: string[] = [];
  const cdnTokens: string[] = [];
  let cdnUrl = "";
  const hub = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.range ?? ""}`.trim());
    answer(repos, request, response, url, cdnUrl);
  });
  const cdn = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.range ?? ""}`.trim());
    if (request.headers.authorization !== undefined) cdnTokens.push(request.headers.authorization);
    const hash = request.url!.slice("/cdn/".length);
    for (const repo of repos.values()) {
      for (const [path, { content, lfs }] of repo.files) {
        if (lfs && sha256(content) === hash) return send(request, response, content, repo.faults.get(path) ?? {}, hash);
      }
    }
    response.writeHead(404).end();
  });
  for (const server of [hub, cdn]) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
  cdnUrl = `http://127.0.0.1:${(cdn.address() as AddressInfo).port}`;
  return {
    url,
    repos,
    requests,
    cdnTokens,
    add(name, files, lfs = []) {
      const repo: FakeRepo = { commit: sha1(name), files: new Map(), faults: new Map() };
      for (const [path, content] of Object.entries(files)) {
        repo.files.set(path, { content: Buffer.from(content), lfs: lfs.includes(path) });
      }
      repos.set(name, repo);
      return repo;
    },
    close: async () => {
      for (const server of [hub, cdn]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function sha1(content: string | Buffer): string {
  return createHash("sha1").update(content).digest("hex");
}

function gitOid(content: Buffer): string {
  return sha1(Buffer.concat([Buffer.from(`blob ${content.length}\0`), content]));
}

function answer(
  repos: ReadonlyMap<string, FakeRepo>,
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
  cdnUrl: string,
): void {
  const { pathname, searchParams } = new URL(request.url!, url);
  const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(pathname);
  const file = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
  const name = api?.[1] ?? file?.[1] ?? "";
  const repo = repos.get(name);
  const refuse = (status: number, code?: string, retryAfter?: string): void => {
    response.writeHead(status, {
      ...(code === undefined ? {} : { "x-error-code": code }),
      ...(retryAfter === undefined ? {} : { "retry-after": retryAfter }),
      "content-type": "application/json",
    });
    response.end(JSON.stringify({ error: "refused" }));
  };
  if (repo === undefined) return refuse(404, "RepoNotFound");
  if (repo.token !== undefined && request.headers.authorization !== `Bearer ${repo.token}`) {
    return refuse(401, request.headers.authorization === undefined ? "GatedRepo" : undefined);
  }
  if (repo.refusal !== undefined && (repo.refusal.times ?? Infinity) > 0) {
    repo.refusal.times = (repo.refusal.times ?? Infinity) - 1;
    return refuse(repo.refusal.status, repo.refusal.code, repo.refusal.retryAfter);
  }
  if (api?.[2] === "revision") {
    if (!["main", repo.commit].includes(decodeURIComponent(api[3]!))) return refuse(404, "RevisionNotFound");
    return json(response, { _id: "1", id: name, sha: repo.commit, private: false, gated: false, likes: 0 });
  }
  if (api !== null) return tree(repo, response, `${url}${pathname}`, Number(searchParams.get("cursor") ?? 0));
  const found = repo.files.get(decodeURIComponent(file![3]!));
  if (found === undefined || file![2] !== repo.commit) return refuse(404, "EntryNotFound");
  const fault = repo.faults.get(decodeURIComponent(file![3]!)) ?? {};
  response.setHeader("x-repo-commit", fault.repoCommit ?? repo.commit);
  if (!found.lfs) return send(request, response, found.content, fault, gitOid(found.content));
  const hash = sha256(found.content);
  response.writeHead(302, {
    location: `${cdnUrl}/cdn/${hash}`,
    "x-linked-size": fault.linkedSize ?? found.content.length,
    "x-linked-etag": `"${fault.linkedEtag ?? hash}"`,
  });
  response.end();
}

const PAGE = 2;

function tree(repo: FakeRepo, response: ServerResponse, url: string, cursor: number): void {
  const entries = [...repo.files].map(([path, { content, lfs }]) => ({
    type: "file",
    path,
    size: content.length,
    oid: gitOid(content),
    ...(lfs ? { lfs: { oid: sha256(content), size: content.length, pointerSize: 134 } } : {}),
  }));
  const next = cursor + PAGE;
  if (next < entries.length) response.setHeader("link", `<${url}?recursive=true&cursor=${next}>; rel="next"`);
  json(response, entries.slice(cursor, next));
}

function json(response: ServerResponse, body: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(body));
}

function send(request: IncomingMessage, response: ServerResponse, content: Buffer, fault: Fault, etag: string): void {
  const range = fault.noRanges === true ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const start = range === null ? 0 : Number(range[1]);
  const end = range === null || range[2] === "" ? content.length - 1 : Number(range[2]);
  if (start > content.length) {
    response.writeHead(416).end();
    return;
  }
  let body = content.subarray(start, end + 1);
  if (fault.corrupt !== undefined && fault.corrupt > 0) {
    fault.corrupt -= 1;
    body = Buffer.from(body);
    body[body.length >> 1]! ^= 255;
  }
  response.setHeader("etag", `"${etag}"`);
  if (range !== null) response.setHeader("content-range", `bytes ${start}-${end}/${content.length}`);
  response.statusCode = range === null ? 200 : 206;
  const truncated = fault.truncateTo?.shift();
  if (truncated !== undefined) body = body.subarray(0, truncated);
  else response.setHeader("content-length", body.length);
  const breaks = fault.breakAfter?.shift();
  const silent = fault.silentAfter?.shift();
  if (breaks !== undefined) response.write(body.subarray(0, breaks), () => response.destroy());
  else if (silent !== undefined) response.write(body.subarray(0, silent));
  else if (fault.slow !== undefined) void drip(response, body, fault.slow);
  else response.end(body);
}

async function drip(response: ServerResponse, body: Buffer, { pieceBytes, pauseMs }: Required<Fault>["slow"]) {
  for (let at = 0; at < body.length && !response.destroyed; at += pieceBytes) {
    response.write(body.subarray(at, at + pieceBytes));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  response.end();
}
