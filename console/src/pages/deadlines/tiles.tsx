/** How the model stands now, in one row of numbers; what is of a window says so. */
import type { ComponentChildren, JSX } from "preact";
import { formatMs, formatNumber, formatShare } from "../../lib/format.ts";
import type { ClassGoodput, ModelLive } from "./live-model.ts";

/** From here on the share of kept promises has the colour of what is well. */
const GOOD_SHARE = 0.9;

/** The row. */
export function Tiles(props: {
  readonly model: ModelLive;
  readonly nowMs: number;
  readonly goodput: readonly ClassGoodput[];
  readonly prefixShare: number | null;
  readonly windowWords: string;
}): JSX.Element {
  const { model, nowMs, goodput, prefixShare, windowWords } = props;
  const { info } = model;
  const at = (column: Parameters<ModelLive["at"]>[0]): number | null => model.at(column, nowMs);
  const [used, total] = [at("kvUsed"), at("kvTotal")];
  const attained = goodput.reduce((sum, one) => sum + one.attained, 0);
  const ended = goodput.reduce((sum, one) => sum + one.attained + one.missed, 0);
  const paused = at("paused") ?? 0;
  return (
    <dl class="dl-tiles numbers">
      <Tile
        name="Promises kept"
        note={
          ended === 0
            ? `none ended in ${windowWords}`
            : `${formatNumber(attained)} of ${formatNumber(ended)} in ${windowWords}`
        }
        isMain
        isGood={ended > 0 && attained / ended >= GOOD_SHARE}
      >
        {ended === 0 ? "–" : formatShare(attained / ended)}
      </Tile>
      <Tile
        name="Running"
        note={
          paused > 0
            ? `${formatNumber(paused)} set aside for slow readers`
            : `of ${formatNumber(info.maxRunning)} at most`
        }
      >
        {formatNumber(at("running"))}
      </Tile>
      <Tile name="Waiting" note={`of ${formatNumber(info.maxWaiting)} at most`}>
        {formatNumber(at("waiting"))}
      </Tile>
      <Tile name="Tokens a second" note={`of answers; ${rounded(at("prefillRate"))} of prompts`}>
        {rounded(at("decodeRate"))}
      </Tile>
      <Tile name="KV pages" note={`${formatNumber(used)} of ${formatNumber(total)}`}>
        {formatShare(used === null || total === null || total === 0 ? null : Math.round((used / total) * 1000) / 1000)}
      </Tile>
      <Tile name="Prefix hits" note={`of prompt tokens in ${windowWords}`}>
        {formatShare(prefixShare)}
      </Tile>
      <Tile name="Event-loop lag" note="p99, of the server">
        {formatMs(at("lagP99"))}
      </Tile>
    </dl>
  );
}

function Tile(props: {
  readonly name: string;
  readonly note: string;
  readonly isMain?: boolean;
  readonly isGood?: boolean;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <div class={props.isMain === true ? "dl-tile dl-tile-main" : "dl-tile"}>
      <dt>{props.name}</dt>
      <dd class={props.isGood === true ? "dl-tile-good" : undefined}>{props.children}</dd>
      <dd class="dl-tile-note">{props.note}</dd>
    </div>
  );
}

function rounded(value: number | null): string {
  return formatNumber(value === null ? null : Math.round(value));
}
