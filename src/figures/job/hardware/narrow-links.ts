import { quoteName, quoteText } from '../../../../schemas/tables.ts';
import { findField } from '../../../core/fields/find-field.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quotedLists, quoteTime } from '../../sql-text.ts';
import type { JobWindow } from '../facts.ts';
import type { NarrowLink } from './figures.ts';

const columnOf = (id: number): string => findField(id)!.column;
/** What the link does, and what it can do; of lanes and of the generation. */
const LINK_COLUMNS = {
  lanes: columnOf(238),
  lanesMax: columnOf(236),
  generation: columnOf(237),
  generationMax: columnOf(235),
} as const;

type Part = keyof typeof LINK_COLUMNS;
const PARTS = Object.keys(LINK_COLUMNS) as Part[];

/**
 * PCIe links that in all of a job's time did not reach what they can do. A link that rests is slower of itself, so that only the best
 * of the time counts; what device and slot can do together the driver says.
 * @returns ascending by device; nothing where no table records both
 * @throws what `ask` throws
 */
export async function narrowLinks(
  db: Asked,
  { startUs, endUs, intervals }: JobWindow,
): Promise<readonly NarrowLink[]> {
  const columns = await ask(
    db,
    'SELECT table_name, column_name FROM information_schema.columns()' +
      ` WHERE table_name LIKE 'gpu_%' AND column_name IN ('dt_us', ${PARTS.map((part) => quoteText(LINK_COLUMNS[part])).join(', ')})`,
  );
  const best = new Map<string, NarrowLink>();
  for (const [table, own] of Map.groupBy(columns, (row) => row.text('table_name') ?? '')) {
    const names = new Set(own.map((row) => row.text('column_name') ?? ''));
    const parts = PARTS.filter((part) => names.has(LINK_COLUMNS[part]));
    // Rollups have other columns.
    if (!names.has('dt_us') || parts.length === 0) continue;
    const picks = parts.map((part) => `max(s.${quoteName(LINK_COLUMNS[part])}) AS ${part}`);
    for (const some of quotedLists(new Set(intervals.map(({ gpu }) => gpu)))) {
      const rows = await ask(
        db,
        `SELECT s.gpu AS gpu, ${picks.join(', ')} FROM ${quoteName(table)} s` +
          ` WHERE s.ts > ${quoteTime(startUs)} AND s.ts <= ${quoteTime(endUs)} AND s.gpu IN (${some})`,
      );
      for (const row of rows) addLink(best, row, parts);
    }
  }
  return [...best.values()].filter(isNarrow).sort((a, b) => (a.gpu < b.gpu ? -1 : 1));
}

function addLink(best: Map<string, NarrowLink>, row: Cells, parts: readonly Part[]): void {
  const gpu = row.text('gpu') ?? '';
  const before = best.get(gpu);
  const most = (part: Part): number | undefined => {
    const known = parts.includes(part) ? row.number(part) : undefined;
    return known === undefined ? before?.[part] : Math.max(known, before?.[part] ?? 0);
  };
  best.set(gpu, {
    gpu,
    lanes: most('lanes'),
    lanesMax: most('lanesMax'),
    generation: most('generation'),
    generationMax: most('generationMax'),
  });
}

function isNarrow({ lanes, lanesMax, generation, generationMax }: NarrowLink): boolean {
  return isBelow(lanes, lanesMax) || isBelow(generation, generationMax);
}

/** Of a link that is said to have no lanes nothing is known. */
function isBelow(reached: number | undefined, max: number | undefined): boolean {
  return reached !== undefined && max !== undefined && reached > 0 && reached < max;
}
