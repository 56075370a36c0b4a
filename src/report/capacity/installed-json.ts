import type { Installed } from '../../figures/capacity/figures.ts';
import { INSTALLED_PARTS, type InstalledTimes } from '../../figures/capacity/installed/parts.ts';

/** Where the time of all GPUs went: a part that took none has no key. */
export function installedJson({ rows, all, inPieces }: Installed): object {
  return {
    rows: rows.map(({ kind, name, also, cluster, period, parts }) => ({
      kind,
      name,
      also: also.length === 0 ? undefined : also.map((other) => other ?? null),
      cluster,
      period,
      ...timesJson(parts),
    })),
    all: timesJson(all),
    inPieces,
  };
}

function timesJson(times: InstalledTimes): object {
  const told = INSTALLED_PARTS.filter((part) => times[part] !== undefined);
  return Object.fromEntries(told.map((part) => [`${part}Us`, times[part]]));
}
