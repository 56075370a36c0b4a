import { quoteName } from '../../../schemas/tables.ts';
import { readAutoCreation } from '../../questdb/auto-creation.ts';
import { applySchema } from '../../questdb/schema/apply.ts';
import { firstDifference } from '../../questdb/schema/first-difference.ts';
import { otherRetentions } from '../../questdb/schema/retentions.ts';
import { formatCount } from '../../report/text/format-quantity.ts';
import { fine, wrong, wrongBy, type Check, type Outcome } from '../check.ts';
import type { DoctorUse, Facts } from '../facts.ts';
import { NotTold } from '../not-told.ts';
import { operating } from '../operating.ts';
import { invalidRollupsOf } from './rollups-of.ts';

const APPLY = 'gpuledger schema apply';
const NAMES_MAX = 5;

export const reachable: Check = {
  part: 'store',
  name: 'store',
  why: 'while it does not answer, rows wait on the nodes and reports cannot be asked for',
  look: async (facts) => await lookAtStore(facts, 'operator'),
};

export async function lookAtStore(facts: Facts, use: DoctorUse): Promise<Outcome> {
  await facts.config(use);
  try {
    const { db, version } = await facts.reached(use);
    return fine(`QuestDB ${version} at ${db.where}`);
  } catch (thrown) {
    return wrongBy(operating(thrown));
  }
}

export const schema: Check = {
  part: 'store',
  name: 'schema',
  why: 'rows for a table or column that is not there are refused, and reports leave out what has no rollup',
  async look(facts) {
    const { lanes, retention, cluster } = await facts.config();
    const db = await facts.store();
    try {
      const { statement, kept } = await firstDifference(db, lanes, retention);
      // A rollup that has ended is built again, too.
      if (statement !== undefined && (await invalidRollupsOf(db, { lanes, retention })).length > 0)
        throw new NotTold('a rollup has to be built again first: see rollups');
      if (statement !== undefined)
        return wrong(
          `not as this gpuledger needs it: ${firstWords(statement)} is to be done`,
          [APPLY],
          async () => {
            const changes = await applySchema(db, lanes, retention, { cluster, movesAged: true });
            return `${formatCount(changes.length, 'change')} by ${APPLY}`;
          },
        );
      if (kept.length > 0) return wrong(kept.join('; '), [APPLY]);
      return fine(`tables and rollups of ${lanes.map(({ name }) => name).join(', ')}`);
    } catch (thrown) {
      const error = operating(thrown);
      if (!error.code.startsWith('schema.')) throw error;
      return wrongBy(error);
    }
  },
};

/** `ALTER TABLE "gpu_profiling" ADD COLUMN IF NOT EXISTS "x" DOUBLE`, without what comes after the names. */
function firstWords(sql: string): string {
  return sql
    .replace(/\s+/g, ' ')
    .replace(/ \(.*$| AS .*$/s, '')
    .slice(0, 120);
}

export const keptTime: Check = {
  part: 'store',
  name: 'retention',
  why: 'rows that are kept longer fill the disk, and those that go sooner are missed',
  async look(facts) {
    const { lanes, retention } = await facts.config();
    const others = await otherRetentions(await facts.store(), lanes, retention);
    if (others.length === 0) return fine('as in the configuration');
    const names = others.map(({ name, wanted }) => `${name} (${wanted ?? 'for ever'})`);
    return wrong(`kept for another time than configured: ${listed(names)}`, [
      APPLY,
      // What cannot be taken back of a table by month is told by the command.
      ...others
        .slice(0, NAMES_MAX)
        .flatMap(({ name, wanted }) =>
          wanted === undefined ? [] : [`or: ALTER TABLE ${quoteName(name)} SET TTL ${wanted};`],
        ),
    ]);
  },
};

export const autoCreation: Check = {
  part: 'store',
  name: 'auto creation',
  why: 'rows for a table that is gone get a wrong one, in which what is sent again is there twice',
  async look(facts) {
    const on = await readAutoCreation(await facts.store());
    if (on.length === 0) return fine('the server makes no tables of its own accord');
    return wrong(
      'the server makes tables or columns of its own accord',
      on.map((setting) => `${setting}=false in its server.conf, then restart it`),
    );
  },
};

export function listed(names: readonly string[]): string {
  const more = names.length > NAMES_MAX ? `, and ${names.length - NAMES_MAX} more` : '';
  return names.slice(0, NAMES_MAX).join(', ') + more;
}
