/** Templates in the styles that models are published with, each written here from its format; and bad ones. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PunctualError } from "../core/index.ts";
import { openChatTemplate, type RenderOptions, type TemplateMessage } from "./chat-template.ts";

const SEED = 31;
const facts = { bosToken: "<s>", eosToken: "</s>", wallMs: () => Date.UTC(2024, 6, 4, 15, 5, 9) };
const chat: readonly TemplateMessage[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: " Hi " },
  { role: "assistant", content: "Hello." },
  { role: "user", content: "2+2?" },
];

const render = (template: string, messages = chat, options?: RenderOptions): string =>
  openChatTemplate(template, facts).render(messages, options);

const CHATML = `{% for message in messages %}
<|im_start|>{{ message.role }}
{{ message['content'] | trim }}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

const LLAMA3 = `{{- bos_token }}
{%- if messages[0].role == 'system' %}{% set given = messages[0].content %}{% set rest = messages[1:] %}
{%- else %}{% set given = '' %}{% set rest = messages %}{% endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday: ' + strftime_now('%d %b %Y') + '\\n' + given + '<|eot_id|>' }}
{%- for m in rest %}{{ '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\\n\\n' ~ m.content | trim ~ '<|eot_id|>' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}`;

const MISTRAL = `{{- bos_token }}
{%- if messages[0].role == 'system' %}{% set given = messages[0].content + '\\n\\n' %}{% set rest = messages[1:] %}
{%- else %}{% set given = '' %}{% set rest = messages %}{% endif %}
{%- for m in rest %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate user and assistant') }}{% endif %}
{%- if m.role == 'user' %}{{ '[INST] ' + (given if loop.last else '') + m.content + '[/INST]' }}{% else %}{{ ' ' + m.content + eos_token }}{% endif %}
{%- endfor %}`;

const GEMMA = `{{ bos_token }}
{%- for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- set role = 'model' if m.role == 'assistant' else m.role %}
{{- '<start_of_turn>' + role + '\\n' + (m.content | trim) + '<end_of_turn>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}`;

const QWEN3 = `{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}# Tools
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}Answer with <tool_call>{"name": ..., "arguments": ...}</tool_call><|im_end|>
{% elif messages[0].role == 'system' %}{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{% endif %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{ '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}
{%- elif m.role == 'assistant' %}{{ '<|im_start|>assistant\\n' }}
{%- if m.reasoning_content is defined and loop.last %}{{ '<think>\\n' + m.reasoning_content + '\\n</think>\\n\\n' }}{% endif %}
{{- m.content }}
{%- for call in m.tool_calls or [] %}{{ '\\n<tool_call>\\n' + ({'name': call.function.name, 'arguments': call.function.arguments} | tojson) + '\\n</tool_call>' }}{% endfor %}
{{- '<|im_end|>\\n' }}
{%- elif m.role == 'tool' %}{{ '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}`;

describe("templates in the style of", () => {
  it("ChatML", () => {
    expect(render(CHATML, chat.slice(1, 2))).toBe("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    expect(render(CHATML, chat.slice(1, 2), { addGenerationPrompt: false })).toBe("<|im_start|>user\nHi<|im_end|>\n");
  });

  it("Llama 3, with a date from the given clock", () => {
    expect(render(LLAMA3, chat.slice(0, 2))).toBe(
      "<s><|start_header_id|>system<|end_header_id|>\n\nToday: 04 Jul 2024\nBe brief.<|eot_id|>" +
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    );
    expect(render("{{ strftime_now('%A %B %-d %I:%M %p %y%%') }}")).toBe("Thursday July %-d 03:05 PM 24%");
  });

  it("Mistral, which refuses roles that do not alternate", () => {
    expect(render(MISTRAL)).toBe("<s>[INST]  Hi [/INST] Hello.</s>[INST] Be brief.\n\n2+2?[/INST]");
    expect(() => render(MISTRAL, [chat[1]!, chat[1]!])).toThrow(
      expect.objectContaining({
        code: "invalid_request",
        param: "messages",
        message: expect.stringContaining("chat_template refuses these messages: roles must alternate") as string,
      }),
    );
  });

  it("Gemma, which has no system role", () => {
    expect(render(GEMMA, chat.slice(1, 2))).toBe("<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n");
    expect(() => render(GEMMA)).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });

  it("Qwen 3, with tools, calls, results and thinking", () => {
    const tools = [{ type: "function", function: { name: "add", parameters: { type: "object" } } }];
    const call = { type: "function", function: { name: "add", arguments: { a: 2 } } } as const;
    const messages: TemplateMessage[] = [
      ...chat.slice(0, 2),
      { role: "assistant", content: "", tool_calls: [call] },
      { role: "tool", content: "4", tool_call_id: "c1" },
    ];
    const text = render(QWEN3, messages, { tools, thinking: false });
    expect(text).toContain('{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}');
    expect(text).toContain('<tool_call>\n{"name": "add", "arguments": {"a": 2}}\n</tool_call><|im_end|>');
    expect(text).toContain("<tool_response>\n4\n</tool_response>");
    expect(text.endsWith("<|im_start|>assistant\n<think>\n\n</think>\n\n")).toBe(true);
    expect(render(QWEN3, chat, { thinking: true }).endsWith("<|im_start|>assistant\n")).toBe(true);
    expect(render(QWEN3, chat).endsWith("<|im_start|>assistant\n")).toBe(true);
  });
});

describe("bounds", () => {
  const failure = (template: string): { readonly code: string; readonly param: string | null } => {
    try {
      render(template);
    } catch (error) {
      if (error instanceof PunctualError) return { code: error.code, param: error.param };
      throw error;
    }
    return { code: "rendered", param: null };
  };

  it.each([
    ["a template too long", "a".repeat(2 ** 18 + 1)],
    ["a block left open", "{% if true %}"],
    ["an unknown filter", "{{ messages | explode }}"],
    ["a sum with nothing", "{{ nothing + 1 }}"],
    ["a long range", "{% for i in range(1000000000) %}x{% endfor %}"],
    ["a range without end", "{% for i in range(0, 5, 0) %}x{% endfor %}"],
    ["loops in loops", `${"{% for i in range(1000) %}".repeat(4)}x${"{% endfor %}".repeat(4)}`],
    [
      "text that doubles",
      "{% set n = namespace(t='xxxxxxxx') %}{% for i in range(60) %}{% set n.t = n.t + n.t %}{% endfor %}",
    ],
    [
      "a list that doubles",
      "{% set n = namespace(t=[1,2]) %}{% for i in range(60) %}{% set n.t = n.t + n.t %}{% endfor %}",
    ],
    ["a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"],
    ["depth", `{{ ${"(".repeat(50_000)}1${")".repeat(50_000)} }}`],
  ])("%s is an error that names chat_template", (_what, template) => {
    expect(failure(template)).toEqual({ code: "invalid_file", param: "chat_template" });
  });

  it("damage of any kind is a typed error or a text", () => {
    const all = [CHATML, LLAMA3, MISTRAL, GEMMA, QWEN3];
    const bits = fc.constantFrom(
      "{%",
      "%}",
      "{{",
      "}}",
      "'",
      "|",
      "(",
      ")",
      "[",
      ".",
      "-",
      "for",
      "if",
      "\\",
      "é",
      "0",
    );
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.nat(800), fc.nat(30), bits, (template, at, cut, bit) => {
        const damaged = template.slice(0, at) + bit + template.slice(at + cut);
        expect(["rendered", "invalid_file", "invalid_request"]).toContain(failure(damaged).code);
      }),
      { seed: SEED, numRuns: 400 },
    );
  });
});
