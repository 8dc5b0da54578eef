/** GET /admin/papers: what was measured of each paper. The rows come through a port: a server knows no claims. */
import type { PapersBody } from "../../protocol/index.ts";

/** Where the rows come from. */
export interface PaperIndex {
  /** Read again when what was measured has changed. @throws PunctualError not_found where nothing was shipped. */
  rows(): Promise<PapersBody>;
}

/** The rows as JSON. */
export async function answerPapers(index: PaperIndex): Promise<Response> {
  return Response.json(await index.rows(), { headers: { "cache-control": "no-cache" } });
}
