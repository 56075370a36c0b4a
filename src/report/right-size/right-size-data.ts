import type { Size } from '../../core/right-size/sizes.ts';
import type { RightSizeFigures, SizedGroup, WhatIf } from '../../figures/right-size/figures.ts';
import { isoMicroseconds } from '../../figures/sql-text.ts';
import { csvOf, type CsvRow } from '../text/csv-lines.ts';

/** As JSON: numbers in base units with the unit in the name, what is not known left out. */
export function rightSizeJson(figures: RightSizeFigures): string {
  const { groups, unsized, whatIfs, ...of } = figures;
  const json = {
    ...of,
    groups: groups.map((group) => ({ ...group, had: sizeJson(group.had), size: sizeJson(group.size) })),
    unsized: Object.fromEntries(unsized) as object,
    whatIfs: whatIfs.map(whatIfJson),
  };
  return `${JSON.stringify(json, undefined, 2)}\n`;
}

function sizeJson({ profile, slices, wholeSlices, memoryBytes }: Size): object {
  return { profile, slices, wholeSlices, memoryBytes };
}

function whatIfJson(whatIf: WhatIf): object {
  return whatIf;
}

/** One row per account and job name, after it those of which no size is told, by the reason. */
export function rightSizeCsv({ fromUs, toUs, groups, unsized }: RightSizeFigures): string {
  const window = { from: isoMicroseconds(fromUs), to: isoMicroseconds(toUs) };
  const cells = (kind: 'group' | 'unsized', group: Partial<SizedGroup>, reason?: string): CsvRow => ({
    ...window,
    kind,
    reason,
    cluster: group.cluster,
    account: group.account,
    name: group.name,
    model: group.model,
    runs: group.runs,
    owned_us: group.ownedUs,
    memory_peak_bytes: group.memoryPeakBytes,
    sm_active_ratio_p95: group.smP95,
    had: group.had && (group.had.profile ?? 'gpu'),
    size: group.size && (group.size.profile ?? 'gpu'),
    sized_us: group.sizedUs,
  });
  const rows = groups.map((group) => cells('group', group));
  const others = [...unsized].map(([reason, of]) => cells('unsized', of, reason));
  return csvOf([...rows, ...others], Object.keys(cells('group', {})));
}
