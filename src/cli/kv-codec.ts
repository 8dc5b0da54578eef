/** What codes a started engine's keys and values, for its store of contexts and for what it sends to other instances. */
import type { KvCodec, MigrationOptions } from "../cluster/index.ts";
import type { KvFormat } from "../llm/index.ts";
import type { Engine } from "../runtime/index.ts";
import type { KvCoding } from "./kv-flags.ts";

/**
 * The codec of an engine's cache; null where there is none: the files of its model cannot be read again, so that nobody
 * could say that they are the same, or it stores its pages in another way than the codec knows.
 * @param format how the engine stores keys and values
 */
export async function kvCodecOf(engine: Engine, format: KvFormat): Promise<KvCodec | null> {
  const { modelFingerprint, pageTokens, pageBytes, embedding } = engine.info;
  if (modelFingerprint === null || embedding !== undefined) return null;
  const { cacheShape, KvCodec: Codec, pageLayout } = await import("../cluster/index.ts");
  const shape = cacheShape(engine.config, { format, pageTokens }, modelFingerprint);
  return pageLayout(shape).pageBytes === pageBytes ? Codec.create(shape) : null;
}

/** How pages may travel: exactly only, since what comes is answered from as if it had been computed there. */
export async function codingOptions(
  codec: KvCodec | null,
  coding: KvCoding,
): Promise<Pick<MigrationOptions, "codecs" | "codesLocally">> {
  if (codec === null || coding === "none") return {};
  const { losslessFrameCodec } = await import("../cluster/index.ts");
  return { codecs: [losslessFrameCodec(codec)], codesLocally: coding === "lossless" };
}
