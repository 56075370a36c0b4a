import { allTables, quoteName } from '../../../schemas/tables.ts';
import { readSuspended } from '../../questdb/visible.ts';
import { fine, wrong, type Check } from '../check.ts';
import { invalidRollupsOf, viewNames } from './rollups-of.ts';
import { listed } from './schema.ts';

export const suspended: Check = {
  part: 'store',
  name: 'suspended tables',
  why: 'the server takes rows for them, says so, and shows none',
  async look(facts) {
    const config = await facts.config();
    const names = [
      ...allTables(config.lanes, config.retention).map(({ name }) => name),
      ...viewNames(config),
    ];
    const found = await readSuspended(await facts.store(), names);
    if (found.size === 0) return fine('none');
    return wrong(
      listed([...found].map(([name, reason]) => `${name} (${reason})`)),
      [...found.keys()].map((name) => `when the cause is mended: ALTER TABLE ${quoteName(name)} RESUME WAL;`),
    );
  },
};

export const rollups: Check = {
  part: 'store',
  name: 'rollups',
  why: 'reports of long times are made of them, and end where they end',
  async look(facts) {
    const found = await invalidRollupsOf(await facts.store(), await facts.config());
    if (found.length === 0) return fine('all are kept up to date');
    return wrong(
      `not kept up to date any more: ${listed(found.map(({ name, reason }) => `${name} (${reason ?? 'no reason given'})`))}`,
      ['gpuledger schema apply'],
    );
  },
};
