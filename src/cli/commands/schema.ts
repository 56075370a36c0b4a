import { Command } from 'commander';
import { allTables, createTableSql } from '../../../schemas/tables.ts';
import { createViewSql, viewsOf } from '../../../schemas/views.ts';
import type { Config } from '../../config/config.ts';
import { openQuestDb } from '../../questdb/http.ts';
import { applySchema } from '../../questdb/schema/apply.ts';
import type { SchemaChange } from '../../questdb/schema/change.ts';
import { tableText } from '../../report/text/table-text.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';

const EXAMPLES = `
Examples:
  gpuledger schema print                        the SQL of all tables and rollups, for a person to read or run
  gpuledger schema apply                        create what is missing, add new columns; a second time does nothing
  gpuledger schema apply --json                 what was done, for a script
  gpuledger schema apply --rebuild-rollups      compute rollups again that lack columns, although old samples are gone

The tables are made for the lanes of the configuration; run and collect apply the schema by themselves.
What stands in them: docs/tables.md
Exit codes: 0 fine; 64 usage; 69 the server refuses the rollups; 75 no QuestDB, try again later;
            78 a table has a column of another type, the password is refused, or the configuration is wrong
`;

export function command(): Command {
  const print = new Command('print')
    .description('Print the SQL that creates the tables and rollups.')
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options);
      process.stdout.write(schemaSql(config));
    });
  const apply = new Command('apply')
    .description('Create or upgrade the tables and rollups of the configured QuestDB.')
    .option('--json', 'print JSON: where, and a list of action, object, detail')
    .option('--rebuild-rollups', 'rebuild rollups even where samples of their time are gone')
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options);
      await applyConfigured(config, {
        isJson: options['json'] === true,
        rebuildRollups: options['rebuildRollups'] === true,
      });
    });
  return new Command('schema')
    .description('Print or apply the tables and rollups.')
    .addCommand(addConfigFlags(print, 'schema print'))
    .addCommand(addConfigFlags(apply, 'schema apply'))
    .addHelpText('after', EXAMPLES);
}

function schemaSql({ lanes, retention }: Config): string {
  const tables = allTables(lanes, retention).map(createTableSql);
  const views = lanes.flatMap((lane) => viewsOf(lane, retention)).map(createViewSql);
  return [...tables, ...views].map((sql) => `${sql};\n`).join('\n');
}

async function applyConfigured(
  config: Config,
  how: { isJson: boolean; rebuildRollups: boolean },
): Promise<void> {
  const { clientConf, requestTimeoutMs } = config.questdb;
  const db = await openQuestDb(clientConf, { requestTimeoutMs });
  try {
    const { version } = await db.checkServer();
    const changes = await applySchema(db, config.lanes, config.retention, {
      rebuildRollups: how.rebuildRollups,
    });
    process.stdout.write(
      how.isJson
        ? `${JSON.stringify({ where: db.where, version, changes }, undefined, 2)}\n`
        : describe(`${db.where} (QuestDB ${version})`, changes),
    );
  } finally {
    await db.close();
  }
}

const WORDS: Readonly<Record<SchemaChange['action'], string>> = {
  created: 'created',
  added_column: 'added column',
  changed_ttl: 'changed retention',
  enabled_dedup: 'enabled deduplication',
  rebuilt: 'rebuilt',
  kept: 'kept as it is',
};

function describe(where: string, changes: readonly SchemaChange[]): string {
  if (changes.length === 0) return `${where}: everything is there already\n`;
  const rows = changes.map(({ action, object, detail }) => [WORDS[action], object, detail]);
  return `${where}:\n${tableText(rows, 'left', '').join('\n')}\n`;
}
