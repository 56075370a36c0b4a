import type { Expected, Json } from '../differences.ts';
import type { RowTruth } from './capacity.ts';

/**
 * Where the time of the GPUs went, of fleets of which no figures are kept and nobody told how nodes are: what was owned is idle or not told
 * apart. What nobody saw is looked at apart: test/figures/capacity-groups.test.ts has it.
 */

type Parts = Readonly<Record<string, number>>;

/** A µs that rounding may move from one part to another. */
const ROUNDING_US = 1.01;

/** By row and part, as `keyedInstalled` has them. */
export function expectedInstalled(rows: readonly RowTruth[], keyOf: (row: RowTruth) => string): Expected {
  const ofDevices = rows.some(({ unownedUs }) => unownedUs !== undefined);
  const told = rows.flatMap((row): [string, Parts][] => {
    const parts = Object.entries(partsOf(row, ofDevices)).filter(([, us]) => us > 0.5);
    return parts.length === 0 ? [] : [[keyOf(row), Object.fromEntries(parts)]];
  });
  const all: Record<string, number> = {};
  for (const [, parts] of told)
    for (const [part, us] of Object.entries(parts)) all[part] = (all[part] ?? 0) + us;
  const rounded = (parts: Parts, count: number): Expected =>
    Object.fromEntries(Object.entries(parts).map(([part, us]) => [part, around(us, ROUNDING_US * count)]));
  return {
    rows: Object.fromEntries(told.map(([key, parts]) => [key, rounded(parts, 1)])),
    all: rounded(all, told.length),
  };
}

function around(us: number, byUs: number): Expected {
  return (got) =>
    typeof got === 'number' && Number.isInteger(got) && Math.abs(got - us) <= byUs + 1e-9 * us
      ? undefined
      : `about ${us}`;
}

function partsOf({ kind, sums, unownedUs = 0 }: RowTruth, ofDevices: boolean): Parts {
  switch (kind) {
    case 'group':
    case 'unresolved': {
      // The lane of activity may have seen more of it than the lane of time.
      const idleUs = sums.smKnownUs > 0 ? Math.min(sums.idleUs, sums.dtUs) : 0;
      return { idleUs, untoldUs: sums.dtUs - idleUs, unownedUs };
    }
    case 'unowned':
      return ofDevices ? {} : { unownedUs: sums.dtUs };
    case 'unattributed':
    case 'unallocated':
      return { partlyFreeUs: sums.dtUs };
    case 'cut':
      return { untoldUs: sums.dtUs };
  }
}

/** Without what nobody saw; and what is wrong with how rows add up. */
export function keyedInstalled(json: Json, keyOf: (row: Readonly<Record<string, Json>>) => string): Json {
  const { rows, all, inPieces } = json as {
    rows: readonly Record<string, Json>[];
    all: Record<string, Json>;
    inPieces?: Json;
  };
  // Nobody asks who waits in drawn fleets; of some jobs nobody's time is told.
  if (inPieces !== undefined && inPieces !== 'queueNotAsked') return `in pieces: ${JSON.stringify(inPieces)}`;
  const sums: Record<string, number> = {};
  for (const row of rows)
    for (const [part, us] of Object.entries(row))
      if (typeof us === 'number') sums[part] = (sums[part] ?? 0) + us;
  const isAll =
    Object.keys({ ...sums, ...all }).every((part) => sums[part] === all[part]) &&
    rows.every((row) => Object.values(row).some((us) => typeof us === 'number' && us > 0));
  if (!isAll) return `rows ${JSON.stringify(sums)} do not add up to ${JSON.stringify(all)}`;
  const seen = rows.flatMap(({ unseenUs, kind, name, cluster, period, ...parts }) =>
    unseenUs !== undefined && Object.keys(parts).length === 0
      ? []
      : [[keyOf({ kind: kind!, name: name!, cluster: cluster!, period: period! }), parts] as const],
  );
  const whole = Object.fromEntries(Object.entries(all).filter(([part]) => part !== 'unseenUs'));
  return { rows: Object.fromEntries(seen), all: whole };
}
