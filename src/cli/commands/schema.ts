import { Command } from 'commander';
import { allTables, createTableSql } from '../../../schemas/tables.ts';
import { createViewSql, viewsOf } from '../../../schemas/views.ts';
import type { Config } from '../../config/config.ts';
import { openQuestDb } from '../../questdb/http.ts';
import { applySchema } from '../../questdb/schema/apply.ts';
import type { SchemaChange } from '../../questdb/schema/change.ts';
import { tableText } from '../../report/text/table-text.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { startStep, type Step } from '../progress.ts';

const EXAMPLES = `
Examples:
  gpuledger schema print                        the SQL of all tables and rollups, for a person to read or run
  gpuledger schema apply                        create what is missing, add new columns; a second time does nothing
  gpuledger schema apply --json                 what was done, for a script

The tables are made for the lanes of the configuration; run and collect apply the schema by themselves. After an update of
gpuledger, apply it by this command first: it gives settled rows of a store that knew no clusters the cluster of the
configuration, and builds rollups again whose old buckets have to be copied because their samples are gone.
What stands in them: docs/tables.md
Exit codes: 0 fine; 64 usage; 69 the server refuses the rollups; 75 no QuestDB, or another gpuledger is at it, try again later;
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
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options);
      await applyConfigured(config, options['json'] === true);
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

async function applyConfigured(config: Config, isJson: boolean): Promise<void> {
  const { clientConf, requestTimeoutMs } = config.questdb;
  const db = await openQuestDb(clientConf, { requestTimeoutMs });
  let step: Step | undefined;
  try {
    const { version } = await db.checkServer();
    const changes = await applySchema(db, config.lanes, config.retention, {
      cluster: config.cluster,
      movesAged: true,
      onProgress: (words) => {
        step ??= startStep(words);
        step.update(words);
      },
    });
    step?.done('old buckets of rollups are kept');
    process.stdout.write(
      isJson
        ? `${JSON.stringify({ where: db.where, version, changes }, undefined, 2)}\n`
        : describe(`${db.where} (QuestDB ${version})`, changes),
    );
  } catch (thrown) {
    step?.fail('old buckets of rollups are not all kept yet');
    throw thrown;
  } finally {
    await db.close();
  }
}

const WORDS: Readonly<Record<SchemaChange['action'], string>> = {
  created: 'created',
  added_column: 'added column',
  changed_ttl: 'changed retention',
  enabled_dedup: 'enabled deduplication',
  changed_keys: 'changed keys',
  filled: 'filled',
  moved: 'moved',
  dropped: 'dropped',
  rebuilt: 'rebuilt',
  kept: 'kept as it is',
};

function describe(where: string, changes: readonly SchemaChange[]): string {
  if (changes.length === 0) return `${where}: everything is there already\n`;
  const rows = changes.map(({ action, object, detail }) => [WORDS[action], object, detail]);
  return `${where}:\n${tableText(rows, 'left', '').join('\n')}\n`;
}
