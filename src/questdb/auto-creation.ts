import type { Tell } from '../core/base/notice.ts';
import type { QuestDb } from './http.ts';
import { readSettings } from './reads/settings.ts';

const SETTINGS = ['line.auto.create.new.tables', 'line.auto.create.new.columns'] as const;

/**
 * Says, once, that the server makes tables or columns of its own accord: rows that come for a table that is gone get a wrong
 * one then, in which what is sent again is there twice until `schema apply` puts it right.
 * @returns what asks the server; does nothing once it was answered
 * @throws OperatingError (what it returns) when the server does not answer
 */
export function tellAutoCreationOnce(db: Pick<QuestDb, 'exec' | 'where'>, tell: Tell): () => Promise<void> {
  let isAnswered = false;
  return async () => {
    if (isAnswered) return;
    const on = await readAutoCreation(db);
    isAnswered = true;
    if (on.length === 0) return;
    const lines = on.map((setting) => `${setting}=false`).join(' and ');
    const sentence = `${db.where} makes tables and columns of its own accord for rows that come for none: set ${lines} in its server.conf, and restart it`;
    tell({ level: 'warn', code: 'store.auto_creation', sentence, data: { settings: on.join(', ') } });
  };
}

/** @returns the settings that are on; none where the server tells no settings: that is no reason to write nothing */
export async function readAutoCreation(db: Pick<QuestDb, 'exec'>): Promise<readonly string[]> {
  const settings = await readSettings(db);
  return SETTINGS.filter((setting) => settings?.get(setting) === 'true');
}
