/** Reads server-sent events as a browser does: id and data of each, until the stream ends or the reader leaves. */

/** One event. */
export interface ReadEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** The events of a body, in order. Leaving the loop closes the connection. */
export async function* readEvents(body: ReadableStream<Uint8Array> | null): AsyncGenerator<ReadEvent, void> {
  if (body === null) return;
  let pending = "";
  let id = "";
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    const parts = (pending + decoder.decode(bytes, { stream: true })).split("\n\n");
    pending = parts.pop()!;
    for (const part of parts) {
      const fields = new Map(
        part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      id = fields.get("id") ?? id;
      const data = fields.get("data");
      if (data !== undefined) yield { id, event: fields.get("event") ?? "message", data };
    }
  }
}
