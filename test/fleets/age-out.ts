import { expect } from 'vitest';
import { quoteName } from '../../schemas/tables.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { HOUR, MIN } from './draw/fleet.ts';
import type { Left } from './truth/left.ts';

/** Lets rows age out as the server itself does it: by a TTL, looked at when something is written. */

/** What is a day older than the newest sample of these tables, all but what lies in the day of it. */
export async function ageSamples(db: QuestDb, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    await db.exec(`ALTER TABLE ${quoteName(table)} SET TTL 1 DAY`);
    await touch(db, table);
  }
}

/** The same of the minutes of these tables. */
export async function ageMinutes(db: QuestDb, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    const view = quoteName(`${table}_1m`);
    const oldest = async (): Promise<unknown> => (await db.exec(`SELECT min(ts) FROM ${view}`)).rows[0]?.[0];
    const before = await oldest();
    await db.exec(`ALTER MATERIALIZED VIEW ${view} SET TTL 1 DAY`);
    await expect
      .poll(async () => {
        // A view looks at its TTL when it is refreshed.
        await touch(db, table);
        return await oldest();
      })
      .not.toBe(before);
  }
}

/** Writes the newest row once more, as it is. */
async function touch(db: QuestDb, table: string): Promise<void> {
  const { rows } = await db.exec(`SELECT "column" FROM table_columns('${table}')`);
  const columns = rows.map(([name]) => quoteName(String(name))).join(', ');
  await db.exec(`INSERT INTO ${quoteName(table)} SELECT ${columns} FROM ${quoteName(table)} LIMIT -1`);
  await waitForVisible(db, table);
}

/** What is left of a table now. */
export async function leftOf(db: QuestDb, table: string): Promise<Left> {
  const firstUs = async (name: string): Promise<number> =>
    Number((await db.exec(`SELECT cast(min(ts) AS LONG) FROM ${quoteName(name)}`)).rows[0]?.[0]);
  const oldestUs = await firstUs(table);
  const minuteUs = await firstUs(`${table}_1m`);
  const haveMinutesAged = minuteUs >= (await firstUs(`${table}_1h`)) + HOUR;
  return {
    oldestUs,
    // The first minute may be there with all of its samples.
    samplesFromUs: oldestUs < minuteUs + MIN ? minuteUs : oldestUs,
    minutesFromUs: haveMinutesAged ? minuteUs : -Infinity,
  };
}
