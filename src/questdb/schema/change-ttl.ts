import { quoteName } from '../../../schemas/tables.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { QuestDb } from '../http.ts';
import type { SchemaChange } from './change.ts';

/**
 * A TTL that is no multiple of the partitions is refused, and so is none for partitions of a month (QuestDB 9.3.4): the table or view keeps
 * the one that it has.
 * @param ttl as QuestDB spells it; undefined: for ever
 */
export async function changeTtl(
  db: QuestDb,
  kind: 'TABLE' | 'MATERIALIZED VIEW',
  { name, ttl }: { readonly name: string; readonly ttl?: string | undefined },
): Promise<SchemaChange> {
  try {
    await db.exec(`ALTER ${kind} ${quoteName(name)} SET TTL ${ttl ?? '0 DAYS'}`);
    return { action: 'changed_ttl', object: name, detail: ttl ?? 'kept for ever' };
  } catch (thrown) {
    if (!(thrown instanceof OperatingError) || thrown.code !== 'questdb.query') throw thrown;
    const detail = `its retention cannot become ${ttl ?? 'endless'}: ${thrown.message}`;
    return { action: 'kept', object: name, detail };
  }
}
