import { quoteText } from '../../schemas/tables.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { Lane } from '../core/fields/lane.ts';
import { ask, type Asked } from './query-cells.ts';

/**
 * The lanes as the database has them: those whose table exists, with the fields that are its columns. A report may be
 * asked with a configuration that is newer than the tables, or not that of the collectors.
 * @throws OperatingError `report.no_tables` (exit `unavailable`) when there is none
 */
export async function recordedLanes(db: Asked, lanes: readonly Lane[]): Promise<Lane[]> {
  const tables = lanes.map(({ table }) => quoteText(table)).join(', ');
  const rows = await ask(
    db,
    `SELECT table_name, column_name FROM information_schema.columns() WHERE table_name IN (${tables})`,
  );
  const columnsOf = Map.groupBy(rows, (row) => row.text('table_name'));
  const recorded = lanes.flatMap((lane): Lane[] => {
    const names = new Set(columnsOf.get(lane.table)?.map((row) => row.text('column_name')));
    return names.size === 0
      ? []
      : [{ ...lane, fields: lane.fields.filter(({ column }) => names.has(column)) }];
  });
  if (recorded.length > 0) return recorded;
  throw new OperatingError(
    `expected sample tables (${lanes.map(({ table }) => table).join(', ')}), found none of them`,
    {
      code: 'report.no_tables',
      exit: 'unavailable',
      where: db.where,
      hints: [
        'is this the server that the collectors write to? (gpuledger config print)',
        'a new one: gpuledger schema apply, then gpuledger run',
      ],
    },
  );
}
