import { Command, InvalidArgumentError } from 'commander';
import { allTables, createTableSql } from '../../../schemas/tables.ts';
import { createViewSql, histogramsOf, viewsOf } from '../../../schemas/views.ts';
import type { Config } from '../../config/config.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { expandHostlist } from '../../core/devices/hostlist.ts';
import { labelShared } from '../../job-map/label-shared.ts';
import { tellAutoCreationOnce } from '../../questdb/auto-creation.ts';
import { openQuestDb, type QuestDb } from '../../questdb/http.ts';
import { applySchema } from '../../questdb/schema/apply.ts';
import type { SchemaChange } from '../../questdb/schema/change.ts';
import {
  nameRows,
  readUnknownNodes,
  readUnnamedRows,
  type UnnamedRows,
} from '../../questdb/schema/name-rows.ts';
import { tableText } from '../../report/text/table-text.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { createLog } from '../log.ts';
import { startMaybeBriefStep, startStep, type Step } from '../progress.ts';

const SHOWN_NODES_MAX = 20;

const EXAMPLES = `
Examples:
  gpuledger schema print                        the SQL of all tables and rollups, for a person to read or run
  gpuledger schema apply                        create what is missing, add new columns; a second time does nothing
  gpuledger schema apply --json                 what was done, for a script
  gpuledger schema name-rows                    give settled rows without a cluster that of the configuration: of nodes that
                                                the inventory knows in it, and in no other
  gpuledger schema name-rows --on 'n[01-16]'    … of these nodes, as of some that are gone

The tables are made for the lanes of the configuration; run and collect apply the schema by themselves. After an update of
gpuledger, apply it by this command first: it gives settled rows of a store that knew no clusters the cluster of the
configuration, builds rollups again whose old buckets have to be copied because their samples are gone, and gives samples of
shared GPUs the set of their owners. It says how many rows
have no cluster; name-rows may be run at any time, and again: rows settle a day after their end, events after eight.
What stands in them: docs/tables.md
Exit codes: 0 fine; 64 usage, or no node of --on is known; 69 the server refuses the rollups; 75 no QuestDB, or another gpuledger is at it, try again later;
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
  const name = new Command('name-rows')
    .description('Name the cluster in rows that were stored before it was known.')
    .option(
      '--on <nodes>',
      "nodes, as n1,n2 or 'n[01-16]' (default: those known in the cluster and no other)",
      nodesArgument,
    )
    .option('--json', 'print JSON: where, and a list of action, object, detail')
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options);
      const nodes = options['on'] as readonly string[] | undefined;
      await nameConfigured(config, nodes, options['json'] === true);
    });
  return new Command('schema')
    .description('Print or apply the tables and rollups, or name the cluster of old rows.')
    .addCommand(addConfigFlags(print, 'schema print'))
    .addCommand(addConfigFlags(apply, 'schema apply'))
    .addCommand(addConfigFlags(name, 'schema name-rows'))
    .addHelpText('after', EXAMPLES);
}

function schemaSql({ lanes, retention }: Config): string {
  const tables = allTables(lanes, retention).map(createTableSql);
  const views = lanes.flatMap((lane) => [
    ...viewsOf(lane, retention),
    ...histogramsOf(lane, retention).flatMap((histogram) => histogram.views),
  ]);
  return [...tables, ...views.map(createViewSql)].map((sql) => `${sql};\n`).join('\n');
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
    step = undefined;
    await tellAutoCreationOnce(db, createLog(config.log.format, config.log.level))();
    const labelled = await labelWithProgress(db, config);
    if (labelled > 0)
      changes.push({ action: 'labelled', object: 'samples', detail: `${labelled} of shared GPUs` });
    const unnamed = await readUnnamedRows(db, config.cluster);
    process.stdout.write(
      isJson
        ? `${JSON.stringify({ where: db.where, version, changes, unnamed }, undefined, 2)}\n`
        : describe(`${db.where} (QuestDB ${version})`, changes) + unnamedText(unnamed, config.cluster),
    );
  } catch (thrown) {
    step?.fail('old buckets of rollups are not all kept yet');
    throw thrown;
  } finally {
    await db.close();
  }
}

/** @returns how many samples got the set of their owners */
async function labelWithProgress(db: QuestDb, config: Config): Promise<number> {
  const step = startMaybeBriefStep('looking at shared GPUs');
  const tables = config.lanes.map(({ table }) => table);
  try {
    const tell = createLog(config.log.format, config.log.level);
    const rows = await labelShared(db, tables, tell, (words) => {
      step.update(words);
    });
    step.done('samples of shared GPUs have the set of their owners');
    return rows;
  } catch (thrown) {
    step.fail('not all samples of shared GPUs have the set of their owners');
    throw thrown;
  }
}

/** @throws OperatingError `schema.no_cluster`, `schema.no_such_node`, and those of `applySchema` */
async function nameConfigured(
  { questdb, lanes, retention, cluster }: Config,
  nodes: readonly string[] | undefined,
  isJson: boolean,
): Promise<void> {
  if (cluster === undefined)
    throw new OperatingError('expected the name of the cluster in the configuration, found none', {
      code: 'schema.no_cluster',
      exit: 'config',
      hints: ['set cluster: in the configuration, or GPULEDGER_CLUSTER'],
    });
  const db = await openQuestDb(questdb.clientConf, { requestTimeoutMs: questdb.requestTimeoutMs });
  const step = startMaybeBriefStep('naming rows');
  try {
    const { version } = await db.checkServer();
    const changes = await applySchema(db, lanes, retention);
    const unknownNodes = nodes === undefined ? [] : await readUnknownNodes(db, nodes);
    if (nodes !== undefined && unknownNodes.length === nodes.length) throw noSuchNode(unknownNodes, db.where);
    changes.push(
      ...(await nameRows(db, cluster, nodes, (words) => {
        step.update(words);
      })),
    );
    step.done('rows are named');
    process.stdout.write(
      isJson
        ? `${JSON.stringify({ where: db.where, version, changes, unknownNodes }, undefined, 2)}\n`
        : describe(`${db.where} (QuestDB ${version})`, changes) + unknownText(unknownNodes),
    );
  } catch (thrown) {
    step.fail('not all rows are named yet');
    throw thrown;
  } finally {
    await db.close();
  }
}

/** @throws InvalidArgumentError, which the command line answers with usage (64). */
function nodesArgument(text: string): readonly string[] {
  const nodes = expandHostlist(text);
  // What is malformed stands for itself.
  if (nodes.length === 0 || nodes.some((node) => !/^[^\s[\](),]+$/.test(node)))
    throw new InvalidArgumentError(`Expected nodes, as n1,n2 or 'n[01-16]', found ${JSON.stringify(text)}.`);
  return nodes;
}

function noSuchNode(nodes: readonly string[], where: string): OperatingError {
  return new OperatingError(`--on: ${unknownText(nodes).trimEnd()}`, {
    code: 'schema.no_such_node',
    exit: 'usage',
    where,
    hints: ['name nodes as the column node of gpu_inventory does, or leave --on out'],
  });
}

function unknownText(nodes: readonly string[]): string {
  if (nodes.length === 0) return '';
  const shown = nodes.slice(0, SHOWN_NODES_MAX).join(', ');
  const more = nodes.length > SHOWN_NODES_MAX ? `, and ${nodes.length - SHOWN_NODES_MAX} more` : '';
  return `no such node in any table: ${shown}${more}\n`;
}

function unnamedText(unnamed: readonly UnnamedRows[], cluster: string | undefined): string {
  if (unnamed.length === 0) return '';
  const parts = unnamed.map(({ table, rows }) => `${rows.toLocaleString('en-US')} of ${table}`);
  const first = cluster === undefined ? 'set cluster: in the configuration; then ' : '';
  return `without a cluster: ${parts.join(', ')} (samples have that of their device)\n${first}gpuledger schema name-rows names them\n`;
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
  labelled: 'labelled',
  kept: 'kept as it is',
};

function describe(where: string, changes: readonly SchemaChange[]): string {
  if (changes.length === 0) return `${where}: everything is there already\n`;
  const rows = changes.map(({ action, object, detail }) => [WORDS[action], object, detail]);
  return `${where}:\n${tableText(rows, 'left', '').join('\n')}\n`;
}
