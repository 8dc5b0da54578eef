/** Reads a request body within a limit: a declared length is judged before a byte is read, an undeclared one on the way. */
import { fail, PunctualError } from "../core/index.ts";
import { decodeJson } from "../protocol/index.ts";

/**
 * The JSON value of a request's body.
 * Errors: `payload_too_large` beyond `limitBytes`, `invalid_request` for anything that is not JSON, `cancelled` when the
 * client went away amid it.
 */
export async function readJson(request: Request, limitBytes: number): Promise<unknown> {
  return decodeJson(await readBody(request, limitBytes));
}

/** The bytes of a request's body. Errors: `payload_too_large` beyond `limitBytes`, `cancelled`. */
export async function readBody(request: Request, limitBytes: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get("content-length") ?? Number.NaN);
  if (declared > limitBytes) refuse(limitBytes);
  return new Uint8Array(await readBytes(request, declared, limitBytes));
}

async function readBytes(request: Request, declared: number, limitBytes: number): Promise<ArrayBuffer | Uint8Array> {
  try {
    // Node has checked that the bytes are as many as declared.
    return Number.isNaN(declared) ? await readBounded(request, limitBytes) : await request.arrayBuffer();
  } catch (error) {
    if (error instanceof PunctualError) throw error;
    // The connection broke amid the body: no failure of ours, and nobody is left to read about it.
    return fail("cancelled", "The client went away before its request was complete.", { cause: error });
  }
}

async function readBounded(request: Request, limitBytes: number): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    size += chunk.byteLength;
    if (size > limitBytes) refuse(limitBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function refuse(limitBytes: number): never {
  fail("payload_too_large", `Expected a request body of at most ${limitBytes} bytes.`);
}
