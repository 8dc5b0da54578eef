/**
 * One request's view of the server: the models its key may use, its key's limits and default objective, its time
 * limit, its trace. Endpoints see it as a plain ServerContext, so that none has to know about keys or spans.
 */
import { PunctualError } from "../core/index.ts";
import type {
  Engine,
  GenerateRequest,
  RequestSummary,
  TextRequest,
  TextStream,
  TokenStream,
} from "../runtime/index.ts";
import type { FleetDesk } from "./admin/fleet.ts";
import type { PaperIndex } from "./admin/papers.ts";
import type { PlanService } from "./admin/plan.ts";
import type { RequestRecord } from "./admin/request-record.ts";
import type { LiveHub } from "./admin/live-hub.ts";
import type { ModelControl } from "./admin/models.ts";
import type { ConsoleFiles } from "./console/files.ts";
import type { OpenRequest, OpenRequests, RequestGate, ServerContext, WithProxy } from "./context.ts";
import type { Caller, Callers } from "./security/callers.ts";
import { remainingObjective, type TaskBook } from "./tasks.ts";
import type { RequestTrace, RequestTracer, TracedRequest } from "./tracing.ts";

/** What the application holds for all requests. */
export interface AppContext extends ServerContext {
  readonly requests: OpenRequests;
  /** Null: nobody is asked for a key. */
  readonly callers: Callers | null;
  readonly corsOrigins: readonly string[];
  /** How long an answer may take from the request's arrival, milliseconds; null: as long as it takes. */
  readonly requestTimeoutMs: number | null;
  readonly tracer: RequestTracer;
  readonly tasks: TaskBook;
  readonly models: ModelControl;
  readonly console: ConsoleFiles;
  /** What the console sees. */
  readonly live: LiveHub;
  /** The fleet that this server is the endpoint of, if it is. */
  readonly fleet: FleetDesk;
  readonly version: string;
  /** Null: this server does not plan. */
  readonly planning: PlanService | null;
  /** Null: this server knows nothing of papers. */
  readonly papers: PaperIndex | null;
}

/** A request on its way through the server. `finished` is called once, when its response has a status. */
export class RequestScope implements RequestGate {
  /** For the endpoint. */
  readonly context: ServerContext;
  readonly #app: AppContext;
  readonly #caller: Caller | null;
  readonly #about: TracedRequest;
  #trace: RequestTrace | null = null;
  /** What the request still waits for: its response, its end, and the end of each generation. */
  #pending = 1;
  #status = 0;
  #failure: string | null = null;
  #model: string | null = null;
  #choices = 0;
  #longest = 0;

  constructor(app: AppContext, caller: Caller | null, about: TracedRequest) {
    this.#app = app;
    this.#caller = caller;
    this.#about = about;
    const allowed = caller?.key.models ?? null;
    const engines = allowed === null ? app.engines : new Map([...app.engines].filter(([name]) => allowed.has(name)));
    const expected = allowed === null ? app.expected : new Set([...app.expected].filter((name) => allowed.has(name)));
    this.context = { ...app, engines, expected, requests: this };
  }

  /** Models that the caller may use, served now or not; null: all. */
  get models(): ReadonlySet<string> | null {
    return this.#caller?.key.models ?? null;
  }

  /** Name of the caller's key; null where nobody is asked for one. */
  get owner(): string | null {
    return this.#caller?.key.name ?? null;
  }

  open(client: AbortSignal): OpenRequest {
    const { clock, requestTimeoutMs } = this.#app;
    this.#trace ??= this.#app.tracer.start(this.#about);
    const usage = this.#caller?.usage;
    const open = this.#app.requests.open(client);
    try {
      usage?.enter(clock.nowMs());
    } catch (error) {
      open.done();
      throw error;
    }
    this.#pending += 1;
    const disarm = requestTimeoutMs === null ? null : this.#limitTime(open, requestTimeoutMs);
    let isDone = false;
    const done = (): void => {
      if (isDone) return;
      isDone = true;
      disarm?.();
      usage?.leave();
      open.done();
      this.#settle();
    };
    const submit: OpenRequest["submit"] = (engine, request) => this.#submit(open.signal, engine, request);
    const ask: OpenRequest["ask"] = (engine, request) => this.#ask(open.signal, engine, request);
    return { signal: open.signal, submit, ask, abort: (reason) => open.abort(reason), done };
  }

  /** The response has a status. Answers the headers that tell a caller its limits. */
  finished(status: number, failure: string | null): readonly (readonly [name: string, value: string])[] {
    this.#status = status;
    this.#failure = failure;
    const headers = this.#caller?.usage.headers(this.#app.clock.nowMs()) ?? [];
    this.#settle();
    return headers;
  }

  #submit(signal: AbortSignal, engine: Engine, request: GenerateRequest): TokenStream {
    const promised = this.#owned(this.#promised(engine, request));
    const trace = this.#trace;
    let choice = 0;
    const record = this.#app.live.requests.open(
      request.id ?? this.#about.requestId,
      engine.info.name,
      promised,
      request.arrivalMs ?? this.#about.arrivalMs,
    );
    const onEnd = (summary: RequestSummary): void => {
      record.ended(summary);
      trace?.generated(choice, summary);
      this.#caller?.usage.charge(summary.completionTokens, this.#app.clock.nowMs());
      this.#longest = Math.max(this.#longest, summary.completionTokens);
      this.#settle();
    };
    const stream = this.#handOver(record, () => engine.submit(promised, { signal, onEnd, observer: record }));
    this.#pending += 1;
    this.#choices += 1;
    this.#model = engine.info.name;
    this.#caller?.usage.charge(request.promptTokens.length, this.#app.clock.nowMs());
    choice = trace?.submitted(engine.info.name, request) ?? 0;
    this.#app.http.submitted(engine.info.name, request.maxTokens);
    return stream;
  }

  /** In text: how many tokens its prompt has is known at its end only. */
  #ask(signal: AbortSignal, engine: Engine & WithProxy, request: TextRequest): TextStream {
    const promised = this.#promised(engine, request);
    const { maxTokens = 0, arrivalMs = this.#about.arrivalMs } = request;
    const about = { ...promised, maxTokens, promptTokens: [] };
    const record = this.#app.live.requests.open(
      request.id ?? this.#about.requestId,
      engine.info.name,
      about,
      arrivalMs,
    );
    const choice = this.#trace?.submitted(engine.info.name, about) ?? 0;
    const onEnd = (summary: RequestSummary): void => {
      record.ended(summary);
      this.#trace?.generated(choice, summary);
      this.#caller?.usage.charge(summary.promptTokens + summary.completionTokens, this.#app.clock.nowMs());
      this.#longest = Math.max(this.#longest, summary.completionTokens);
      this.#settle();
    };
    const stream = this.#handOver(record, () => engine.proxy.ask(promised, { signal, onEnd, observer: record }));
    this.#pending += 1;
    this.#choices += 1;
    this.#model = engine.info.name;
    this.#app.http.submitted(engine.info.name, maxTokens);
    return stream;
  }

  #handOver<T>(record: RequestRecord, submit: () => T): T {
    try {
      return submit();
    } catch (error) {
      record.refused(error, this.#app.clock.nowMs());
      throw error;
    }
  }

  /** Keys of different callers are different keys, whatever they call them. */
  #owned(request: GenerateRequest): GenerateRequest {
    const key = request.whole?.key ?? null;
    return key === null || this.owner === null ? request : { ...request, whole: { key: `${this.owner}/${key}` } };
  }

  /** With the objective of whoever says one first, request, key or model, and as much of its task's time as is left. */
  #promised<T extends Pick<GenerateRequest, "slo" | "task" | "arrivalMs">>(engine: Engine, request: T): T {
    const slo = request.slo ?? this.#caller?.key.slo ?? engine.info.defaultSlo;
    const { task, arrivalMs = this.#about.arrivalMs } = request;
    if (task === undefined) return { ...request, slo };
    // Tasks of different callers are different tasks, whatever they call them.
    const id = this.owner === null ? task.id : `${this.owner}/${task.id}`;
    const elapsedMs = arrivalMs - this.#app.tasks.startOf(id, arrivalMs);
    return { ...request, task: { ...task, id }, slo: remainingObjective(slo, elapsedMs) };
  }

  #limitTime(open: OpenRequest, limitMs: number): () => void {
    const message = `The answer took longer than this server allows (${limitMs} ms).`;
    const leftMs = Math.max(0, this.#about.arrivalMs + limitMs - this.#app.clock.nowMs());
    const timer = setTimeout(() => open.abort(new PunctualError("request_timeout", message)), leftMs);
    timer.unref();
    return () => clearTimeout(timer);
  }

  #settle(): void {
    this.#pending -= 1;
    if (this.#pending > 0) return;
    if (this.#model !== null) this.#app.http.generated(this.#model, this.#choices, this.#longest);
    this.#trace?.end(this.#app.clock.nowMs(), this.#status, this.#failure);
  }
}
