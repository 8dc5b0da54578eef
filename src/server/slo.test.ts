/** Deadlines as clients meet them: asked for in any of the ways, in every dialect, kept or not, and told in usage and metrics. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ENDLESS, ENDLESS_TOKENS, startTestServer, until, type TestServer } from "../../test/support/engine.ts";
import { parsePrometheus, sampleValue } from "../../test/support/prometheus.ts";
import { chatCompletionSchema, completionSchema, errorBodySchema, healthSchema } from "../protocol/index.ts";
import type { SloCount } from "../runtime/index.ts";
import type { SequenceView } from "../sched/index.ts";
import { hashKey, readKeyFile } from "./index.ts";

type Headers = Readonly<Record<string, string>>;

const HOUR = 3_600_000;
const base = { model: "tiny", temperature: 0, ignore_eos: true };
const messages = [{ role: "user", content: "hi" }];
/** The same question in every dialect. */
const DIALECTS = [
  ["/v1/completions", { ...base, prompt: "hi", max_tokens: 4 }],
  ["/v1/chat/completions", { ...base, messages, max_tokens: 4 }],
  ["/v1/responses", { ...base, input: "hi", max_output_tokens: 4, store: false }],
  ["/v1/messages", { ...base, messages, max_tokens: 4 }],
] as const;

function postTo(url: string, path: string, body: object, headers: Headers = {}): Promise<Response> {
  return fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

interface Report {
  readonly attained: boolean;
  readonly ttft_ms: number;
  readonly tpot_ms: number;
  readonly e2e_ms: number;
  readonly slack_ms: number | null;
}

describe("asking", () => {
  let served: TestServer;
  beforeAll(async () => {
    served = await startTestServer({
      recordDecisions: 400,
      defaultSlo: { class: "deadline", deadlineMs: HOUR, onMiss: "finish" },
    });
  });
  afterAll(() => served.stop());

  const post = (path: string, body: object, headers?: Headers) => postTo(served.url, path, body, headers);
  const count = (sloClass: string, metric: SloCount["metric"]): number => {
    const found = served.engine.stats().slo.find((one) => one.class === sloClass && one.metric === metric);
    return (found?.attained ?? 0) + (found?.missed ?? 0);
  };
  /** The last view of a sequence that a policy had. */
  const lastSeen = async (): Promise<SequenceView> => {
    const views = (await served.engine.decisions()).flatMap(({ view }) => [...view.waiting, ...view.running]);
    return views.reduce((last, view) => (view.id >= last.id ? view : last));
  };

  describe.each(DIALECTS)("%s", (path, body) => {
    test("by headers, by the body, by nothing: judged as asked and told in usage", async () => {
      const asks: [Headers, object, string, SloCount["metric"]][] = [
        [{ "x-slo-ttft-ms": String(HOUR) }, {}, "latency", "ttft"],
        [{ "x-slo-class": "compound", "x-deadline-ms": String(HOUR) }, {}, "compound", "deadline"],
        [{ "x-slo-ttft-ms": "1" }, { slo: { ttft_ms: HOUR, tpot_ms: HOUR } }, "latency", "tpot"],
        [{}, {}, "deadline", "deadline"], // the model's default
      ];
      for (const [headers, extra, sloClass, metric] of asks) {
        const before = count(sloClass, metric);
        const response = await post(path, { ...body, ...extra }, headers);
        expect(response.status).toBe(200);
        const { slo } = ((await response.json()) as { usage: { slo: Report } }).usage;
        expect(slo.attained).toBe(true);
        expect(slo.e2e_ms).toBeGreaterThanOrEqual(slo.ttft_ms);
        expect(slo.slack_ms).toBeGreaterThan(0);
        expect(count(sloClass, metric)).toBe(before + 1);
      }
    });

    test("a stream tells it at its end", async () => {
      const streamed = {
        ...body,
        stream: true,
        ...(path.endsWith("completions") ? { stream_options: { include_usage: true } } : {}),
      };
      const text = await (await post(path, streamed, { "x-slo-ttft-ms": "0.001" })).text();
      const reports = Array.from(text.matchAll(/"slo":(\{[^}]*\})/g), (match) => JSON.parse(match[1]!) as Report);
      expect(reports).toHaveLength(1);
      expect(reports[0]).toMatchObject({ attained: false });
      expect(reports[0]!.slack_ms).toBeLessThan(0);
    });

    test("by a tier, which the answer names unless something more exact was asked", async () => {
      const wire = path === "/v1/messages" ? { default: "standard" } : { default: "default" };
      const tierOf = async (tier: string, headers: Headers = {}): Promise<unknown> => {
        const answer = (await (await post(path, { ...body, service_tier: tier }, headers)).json()) as {
          service_tier?: string;
          usage: { service_tier?: string };
        };
        return path === "/v1/messages" ? answer.usage.service_tier : answer.service_tier;
      };
      const before = [count("latency", "all"), count("best-effort", "all")];
      for (const tier of ["priority", "scale", "flex"]) expect(await tierOf(tier)).toBe(tier);
      expect([count("latency", "all"), count("best-effort", "all")]).toEqual([before[0]! + 2, before[1]! + 1]);
      expect(await tierOf("auto")).toBe(wire.default);
      expect(await tierOf("priority", { "x-deadline-ms": String(HOUR) })).toBe(wire.default);
    });

    test("what is wrong is refused by the name under which it came", async () => {
      const wrong: [Headers, object, string][] = [
        [{ "x-slo-class": "fast" }, {}, "x-slo-class"],
        [{ "x-slo-class": "latency" }, {}, "x-slo-ttft-ms"],
        [{ "x-deadline-ms": "1", "x-slo-deadline-ms": "2" }, {}, "x-deadline-ms"],
        [{ "x-task-stage": "1" }, {}, "x-task-stage"],
        [{}, { slo: { class: "deadline" } }, "slo.deadline_ms"],
        [{ "x-deadline-ms": "1" }, { slo: { ttft_ms: 5 } }, "slo.ttft_ms"],
      ];
      for (const [headers, extra, name] of wrong) {
        const response = await post(path, { ...body, ...extra }, headers);
        expect(response.status).toBe(400);
        const { error } = (await response.json()) as { error: { message: string; param?: string } };
        // Anthropic's form has a message only.
        if (path !== "/v1/messages") expect(error.param).toBe(name);
        expect(error.message).not.toBe("");
      }
    });

    test("a task and its stage reach the policy", async () => {
      await (await post(path, body, { "x-task-id": "errand-7", "x-task-stage": "2" })).text();
      expect((await lastSeen()).task).toEqual({ id: "errand-7", stage: 2 });
      await (await post(path, { ...body, slo: { task_id: "errand-8" } }, { "x-task-id": "errand-7" })).text();
      expect((await lastSeen()).task).toEqual({ id: "errand-8", stage: 0 });
    });
  });

  test("later stages of a compound task have what the task has left", async () => {
    const [path, body] = DIALECTS[0];
    const headers = { "x-slo-class": "compound", "x-slo-deadline-ms": "60000", "x-task-id": "trip" };
    await (await post(path, body, headers)).text();
    const first = await lastSeen();
    expect(first.slo.deadlineMs).toBe(60_000);
    expect(first.attainedTokens).toBeGreaterThanOrEqual(0);
    await (await post(path, body, { ...headers, "x-task-stage": "1" })).text();
    const second = await lastSeen();
    expect(second.slo.deadlineMs).toBeCloseTo(60_000 - (second.arrivalMs - first.arrivalMs), 6);
    expect(second.attainedTokens).toBeGreaterThan(first.attainedTokens!);
    await (await post(path, body, { ...headers, "x-task-id": "another" })).text();
    expect((await lastSeen()).slo.deadlineMs).toBe(60_000);
  });

  test("the policy in force is told", async () => {
    const health = healthSchema.parse(await (await fetch(`${served.url}/health`)).json());
    expect(health.policies).toEqual({ tiny: "fifo" });
    const families = parsePrometheus(await (await fetch(`${served.url}/metrics`)).text());
    expect(sampleValue(families, "punctual_policy_info", { policy: "fifo", model_name: "tiny" })).toBe(1);
  });
});

test("a key's default comes before the model's and behind what a request says; tasks of two keys are two tasks", async () => {
  const secrets = { ann: "ann-".repeat(5), bob: "bob-".repeat(5) };
  const entries = Object.entries(secrets).map(([name, key]) => ({
    name,
    sha256: Buffer.from(hashKey(key)).toString("hex"),
  }));
  const keys = readKeyFile(
    JSON.stringify({ keys: [{ ...entries[0], slo: "class=compound,deadline=50s" }, entries[1]] }),
  );
  const served = await startTestServer(
    { recordDecisions: 50, defaultSlo: { class: "latency", ttftMs: HOUR, onMiss: "finish" } },
    { keys },
  );
  try {
    const [path, body] = DIALECTS[0];
    const seen = async (key: string, headers: Headers = {}, extra: object = {}): Promise<SequenceView> => {
      const response = await postTo(served.url, path, { ...body, ...extra }, { "x-api-key": key, ...headers });
      expect(response.status).toBe(200);
      await response.text();
      return (await served.engine.decisions()).at(-1)!.view.running[0]!;
    };
    expect((await seen(secrets.bob)).slo).toMatchObject({ class: "latency", ttftMs: HOUR });
    expect((await seen(secrets.ann)).slo).toMatchObject({ class: "compound", deadlineMs: 50_000 });
    expect((await seen(secrets.ann, {}, { service_tier: "flex" })).slo).toMatchObject({ class: "best-effort" });
    expect((await seen(secrets.ann, {}, { service_tier: "auto" })).slo).toMatchObject({ class: "compound" });
    expect((await seen(secrets.ann, { "x-slo-ttft-ms": "5000" })).slo).toMatchObject({
      class: "latency",
      ttftMs: 5000,
    });
    const task = { "x-task-id": "t" };
    expect(await seen(secrets.ann, task)).toMatchObject({ task: { id: "ann/t" }, slo: { deadlineMs: 50_000 } });
    expect((await seen(secrets.ann, task)).slo.deadlineMs).toBeLessThan(50_000);
    expect(await seen(secrets.bob, task)).toMatchObject({ task: { id: "bob/t" }, slo: { ttftMs: HOUR } });
  } finally {
    await served.stop();
  }
});

describe("keeping", () => {
  const started: TestServer[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((served) => served.stop()));
  });
  const path = "/v1/completions";
  const body = (tokens: number, slo?: object) => ({
    ...base,
    prompt: "hi",
    max_tokens: tokens,
    ...(slo === undefined ? {} : { slo }),
  });

  /** A server with one place, taken by an answer that does not end. */
  async function busy(): Promise<TestServer> {
    const served = await startTestServer({ ...ENDLESS, maxRunning: 1 });
    started.push(served);
    void postTo(served.url, path, body(ENDLESS_TOKENS)).catch(() => undefined);
    await until(() => served.engine.stats().running === 1);
    return served;
  }
  const refusal = async (response: Response) => {
    const { code, type } = errorBodySchema.parse(await response.json()).error;
    const [seconds, ms] = ["retry-after", "retry-after-ms"].map((name) => Number(response.headers.get(name)));
    return { status: response.status, code, type, seconds: seconds!, ms: ms! };
  };

  test("reject: 503 at admission with a time to come back, streamed or not, when the objective cannot be met", async () => {
    const served = await busy();
    for (const stream of [false, true]) {
      const slo = { ttft_ms: 100, on_miss: "reject" };
      const refused = await refusal(await postTo(served.url, path, { ...body(5, slo), stream }));
      expect(refused).toMatchObject({ status: 503, code: "deadline_unattainable", type: "deadline_error" });
      expect(refused.seconds).toBeGreaterThanOrEqual(1);
      expect(refused.ms).toBeGreaterThan(0);
    }
    expect(served.engine.stats()).toMatchObject({ running: 1, counters: { requests: { rejected: 2 } } });
    const late = served.engine.stats().slo.find((one) => one.class === "latency" && one.metric === "all");
    expect(late).toMatchObject({ attained: 0, missed: 2 });
  });

  test.each(["finish", "cut"])("expired in the queue (%s): not run, 503", async (onMiss) => {
    const served = await busy();
    const slo = { deadline_ms: 60, on_miss: onMiss };
    const refused = await refusal(await postTo(served.url, path, body(5, slo)));
    expect(refused).toMatchObject({ status: 503, code: "deadline_expired" });
    expect(served.engine.stats()).toMatchObject({ running: 1, waiting: 0, counters: { requests: { expired: 1 } } });
    const late = served.engine.stats().slo.find((one) => one.class === "deadline" && one.metric === "all");
    expect(late).toMatchObject({ attained: 0, missed: 1 });
  });

  test("finish: late and whole, and marked; cut: stopped there with an end that parses, also in a stream", async () => {
    const served = await startTestServer(ENDLESS);
    started.push(served);
    const ask = async (tokens: number, slo?: object) =>
      completionSchema.parse(await (await postTo(served.url, path, body(tokens, slo))).json());
    // The machine's own pace sets the deadline: long enough to begin, far too short to end.
    const { e2e_ms: paceMs } = (await ask(100)).usage.slo!;
    const late = await ask(3000, { deadline_ms: 2 * paceMs!, on_miss: "finish" });
    expect(late.usage).toMatchObject({ completion_tokens: 3000, slo: { attained: false } });
    expect(late.usage.slo!.slack_ms).toBeLessThan(0);

    const slo = { deadline_ms: 2 * paceMs!, on_miss: "cut" };
    const streamed = { ...body(ENDLESS_TOKENS, slo), stream: true, stream_options: { include_usage: true } };
    const text = await (await postTo(served.url, path, streamed)).text();
    expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
    expect(text.match(/"finish_reason":"length"/g)).toHaveLength(1);
    expect(text).toContain('"attained":false');
    const chat = { ...base, messages, max_tokens: ENDLESS_TOKENS, slo };
    const answer = chatCompletionSchema.parse(await (await postTo(served.url, "/v1/chat/completions", chat)).json());
    expect(answer.choices[0]!.finish_reason).toBe("length");
    expect(answer.usage.completion_tokens).toBeLessThan(ENDLESS_TOKENS);
    // Half an answer in time is no goodput.
    expect(served.engine.stats().counters.goodputTokens).toMatchObject({ deadline: 0, latency: 0, "best-effort": 100 });
  });
});

describe("telling", () => {
  test("the metrics page has every class and metric from the start, and both paces, ours and vLLM's", async () => {
    const served = await startTestServer();
    const read = async () => parsePrometheus(await (await fetch(`${served.url}/metrics`)).text());
    const [path, body] = DIALECTS[0];
    try {
      const fresh = await read();
      for (const sloClass of ["latency", "deadline", "compound", "best-effort"]) {
        const labels = { model_name: "tiny", class: sloClass };
        for (const metric of ["ttft", "tpot", "deadline", "all"]) {
          expect(sampleValue(fresh, "punctual_slo_attained_total", { ...labels, metric })).toBe(0);
          expect(sampleValue(fresh, "punctual_slo_missed_total", { ...labels, metric })).toBe(0);
        }
        expect(sampleValue(fresh, "punctual_slo_requests_total", labels)).toBe(0);
        expect(sampleValue(fresh, "punctual_goodput_tokens_total", labels)).toBe(0);
      }
      await (
        await postTo(served.url, path, body, { "x-slo-ttft-ms": String(HOUR), "x-slo-tpot-ms": String(HOUR) })
      ).text();
      await (await postTo(served.url, path, { ...body, max_tokens: 9 }, { "x-slo-ttft-ms": "0.001" })).text();
      await (await postTo(served.url, path, { ...body, max_tokens: 7 })).text();
      const families = await read();
      const ofLatency = { class: "latency", model_name: "tiny" };
      const attained = sampleValue(families, "punctual_slo_attained_total", { ...ofLatency, metric: "all" });
      const requests = sampleValue(families, "punctual_slo_requests_total", ofLatency);
      expect([attained, requests]).toEqual([1, 2]);
      expect(sampleValue(families, "punctual_slo_attained_total", { ...ofLatency, metric: "tpot" })).toBe(1);
      expect(sampleValue(families, "punctual_goodput_tokens_total", ofLatency)).toBe(4);
      expect(sampleValue(families, "punctual_goodput_tokens_total", { class: "best-effort" })).toBe(7);
      for (const prefix of ["punctual_", "vllm:"]) {
        const labels = { model_name: "tiny" };
        // One value a request of two tokens or more; one value a gap.
        expect(sampleValue(families, `${prefix}request_time_per_output_token_seconds_count`, labels)).toBe(3);
        expect(sampleValue(families, `${prefix}inter_token_latency_seconds_count`, labels)).toBe(3 + 8 + 6);
      }
    } finally {
      await served.stop();
    }
  });

  test("an embedding is told how it fared too", async () => {
    const served = await startTestServer({ embedding: {} });
    try {
      const embed = async (headers: Headers): Promise<Report> => {
        const response = await postTo(served.url, "/v1/embeddings", { model: "tiny", input: ["hi", "there"] }, headers);
        expect(response.status).toBe(200);
        return ((await response.json()) as { usage: { slo: Report } }).usage.slo;
      };
      const met = await embed({ "x-slo-deadline-ms": String(HOUR) });
      expect(met).toMatchObject({ attained: true, tpot_ms: null });
      expect(met.ttft_ms).toBe(met.e2e_ms);
      expect(await embed({ "x-slo-ttft-ms": "0.001" })).toMatchObject({ attained: false });
    } finally {
      await served.stop();
    }
  });
});
