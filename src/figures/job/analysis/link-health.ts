import { quoteName, quoteText } from '../../../../schemas/tables.ts';
import { findField } from '../../../core/fields/find-field.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quotedLists, quoteTime } from '../../sql-text.ts';
import type { SummedJob } from '../rows/summed-job.ts';
import type { Slowest } from './figures.ts';

/** NVLink CRC errors (flits, data), replays and recoveries; PCIe correctable errors and replays. */
const ERROR_COLUMNS = [409, 419, 429, 439, 1501, 202].map((id) => findField(id)!.column);
const WIDTH_COLUMN = findField(238)!.column;

/** Whether a device's links had errors in the job's time, or are narrower than another one's. In whichever tables that is recorded. */
export async function linkHealth(
  db: Asked,
  { window: { startUs, endUs, intervals } }: Pick<SummedJob, 'window'>,
  gpu: string,
): Promise<Pick<Slowest, 'linkErrors' | 'pcieLanes'>> {
  const wanted = [...ERROR_COLUMNS, WIDTH_COLUMN].map(quoteText).join(', ');
  const columns = await ask(
    db,
    'SELECT table_name, column_name FROM information_schema.columns()' +
      ` WHERE table_name LIKE 'gpu_%' AND column_name IN ('dt_us', ${wanted})`,
  );
  const tables = Map.groupBy(columns, (row) => row.text('table_name') ?? '');
  const within = `s.ts > ${quoteTime(startUs)} AND s.ts <= ${quoteTime(endUs)}`;
  let linkErrors = 0;
  const widths = new Map<string, number>();
  for (const [table, own] of tables) {
    const names = new Set(own.map((row) => row.text('column_name') ?? ''));
    // Rollups have other columns.
    if (!names.has('dt_us')) continue;
    const errors = ERROR_COLUMNS.filter((name) => names.has(name));
    if (errors.length > 0) {
      const [row] = await ask(db, risesSql(table, errors, `${within} AND s.gpu = ${quoteText(gpu)}`));
      linkErrors += errors.reduce((sum, _, at) => sum + (row?.number(`e${at}`) ?? 0), 0);
    }
    if (!names.has(WIDTH_COLUMN)) continue;
    for (const some of quotedLists(new Set(intervals.map((one) => one.gpu)))) {
      const rows = await ask(
        db,
        `SELECT s.gpu AS gpu, min(s.${quoteName(WIDTH_COLUMN)}) AS lanes FROM ${quoteName(table)} s WHERE ${within} AND s.gpu IN (${some})`,
      );
      for (const row of rows) addWidth(widths, row);
    }
  }
  const lanes = widths.get(gpu);
  const isNarrow = lanes !== undefined && [...widths.values()].some((other) => other > lanes);
  return { linkErrors, pcieLanes: isNarrow ? lanes : undefined };
}

/** Each counter's rises from one known reading to the next. One that falls began anew: what it rose between the two nobody knows. */
function risesSql(table: string, counters: readonly string[], where: string): string {
  const changes = counters.map((name, at) => {
    const counter = `s.${quoteName(name)}`;
    return `${counter} - lag(${counter}) IGNORE NULLS OVER (ORDER BY ts) AS c${at}`;
  });
  const rises = counters.map((_, at) => `sum(CASE WHEN c${at} > 0 THEN c${at} END) AS e${at}`);
  return `SELECT ${rises.join(', ')} FROM (SELECT s.ts AS ts, ${changes.join(', ')} FROM ${quoteName(table)} s WHERE ${where})`;
}

function addWidth(widths: Map<string, number>, row: Cells): void {
  const lanes = row.number('lanes');
  if (lanes !== undefined) widths.set(row.text('gpu') ?? '', lanes);
}
