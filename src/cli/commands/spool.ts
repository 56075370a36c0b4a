import { join } from 'node:path';
import { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { formatDuration } from '../../../schemas/duration.ts';
import { withBisect } from '../../delivery/with-bisect.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { openLaneDelivery, type LaneDelivery } from '../../delivery/lane-delivery.ts';
import { realDisk } from '../../disk/disk.ts';
import { deadLetterDirectory, openDeadLetters } from '../../disk/dead-letter.ts';
import { openQuestDb } from '../../questdb/http.ts';
import { spooledTables, surveySpool, type SpoolSurvey } from '../../disk/spool-survey.ts';
import { actAsOwner, requireVisible } from '../../disk/state-dir.ts';
import { lockDirectory } from '../../disk/state-lock.ts';
import { applySchema } from '../../questdb/schema/apply.ts';
import { createStoreGate, type StoreGate } from '../../questdb/gate.ts';
import { harmless } from '../../report/text/table-text.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { createLog } from '../log.ts';
import { whileShown } from '../progress.ts';
import { fittingTable, terminalStyle } from '../terminal.ts';

const EXAMPLES = `
Examples:
  gpuledger spool status             what waits on this node for QuestDB
  gpuledger spool status --json
  gpuledger spool replay             send it now, without a collector
  gpuledger spool drop --yes         give it up: the rows are lost, and counted as dropped

A running collector sends its spool by itself as soon as the store is back; replay and drop are for a node where none
runs. What is below the state directory and what is promised of it: docs/delivery.md

Exit codes: 0 done; 64 usage; 65 QuestDB refused rows, which are kept as dead letters; 75 the store does not take it, or a collector is using the directory; 77 you may not look; 78 configuration
`;

export function command(): Command {
  const status = new Command('status')
    .description('Show what waits on disk.')
    .option('--json', 'print JSON, one entry a table')
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options, 'onlooker');
      requireVisible(config.stateDir);
      const surveys = spooledTables(config.stateDir).map((table) => surveySpool(config.stateDir, table));
      process.stdout.write(
        options['json'] === true
          ? `${JSON.stringify(surveys, undefined, 2)}\n`
          : surveyText(surveys, config.stateDir, Date.now()),
      );
    });
  const replay = new Command('replay')
    .description('Send what is spooled to QuestDB, oldest first.')
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options, 'operator');
      await replaySpool(config);
    });
  const drop = new Command('drop')
    .description('Give up what is spooled.')
    .requiredOption('--yes', 'the rows are lost')
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options, 'operator');
      await withDeliveries(config, (deliveries) => {
        for (const [table, delivery] of deliveries)
          process.stdout.write(`${table}: ${count(delivery.dropSpooled())} rows given up\n`);
        return Promise.resolve();
      });
    });
  return new Command('spool')
    .description('Show, send or give up what waits on disk for QuestDB.')
    .addCommand(addConfigFlags(status, 'spool status'))
    .addCommand(addConfigFlags(replay, 'spool replay'))
    .addCommand(addConfigFlags(drop, 'spool drop'))
    .addHelpText('after', EXAMPLES);
}

async function replaySpool(config: Config): Promise<void> {
  await withDeliveries(config, async (deliveries, where, gate) => {
    await gate.open();
    let refusedInAll = 0;
    for (const [table, delivery] of deliveries) {
      const before = delivery.totals();
      const isEmpty = await whileShown(
        `sending ${count(before.spooledRows)} rows of ${table}`,
        async () => await delivery.replay(Infinity),
      );
      const after = delivery.totals();
      const sentRows = after.acknowledgedRows - before.acknowledgedRows;
      const refusedRows = after.refusedRows - before.refusedRows;
      refusedInAll += refusedRows;
      const refused = refusedRows === 0 ? '' : `, ${count(refusedRows)} refused (see dead-letter)`;
      process.stdout.write(
        `${table}: ${count(sentRows)} rows sent${refused}, ${count(after.spooledRows)} left\n`,
      );
      if (!isEmpty) {
        throw new OperatingError('QuestDB did not take everything that is spooled', {
          code: 'spool.unsent',
          exit: 'temporary',
          where,
        });
      }
    }
    if (refusedInAll > 0) {
      throw new OperatingError(`QuestDB refused ${refusedInAll} of the rows that were spooled`, {
        code: 'spool.refused',
        exit: 'data',
        where,
        hints: ['the log says why, and in which file they are kept'],
      });
    }
  });
}

/** Opens what every table has on disk, as the only one. */
async function withDeliveries(
  config: Config,
  work: (deliveries: ReadonlyMap<string, LaneDelivery>, where: string, gate: StoreGate) => Promise<void>,
): Promise<void> {
  const tell = createLog(config.log.format, config.log.level);
  const directory = join(config.stateDir, 'delivery');
  requireVisible(config.stateDir);
  actAsOwner(config.stateDir);
  const release = await lockDirectory(directory);
  const { clientConf, requestTimeoutMs, gzip } = config.questdb;
  const db = await openQuestDb(clientConf, { requestTimeoutMs, gzip });
  const gate = createStoreGate({
    db,
    async prepare() {
      await db.checkServer();
      await applySchema(db, config.lanes, config.retention);
    },
    confirm: config.delivery.confirm,
    tell,
  });
  const opened = new Map<string, LaneDelivery>();
  try {
    const letters = openDeadLetters(realDisk, deadLetterDirectory(config.stateDir), tell, Date.now);
    const sink = withBisect(gate.patient, letters, tell);
    const disk = { ...config.delivery, disk: realDisk, directory, hasJournal: false, nowMs: Date.now };
    // What is lost is logged by the spool itself.
    const onLost = (): void => undefined;
    for (const table of spooledTables(config.stateDir))
      opened.set(table, await openLaneDelivery({ table, sink, tell, disk, onLost }));
    await work(opened, db.where, gate);
  } finally {
    for (const delivery of opened.values()) delivery.close();
    await db.close();
    release();
  }
}

function surveyText(surveys: readonly SpoolSurvey[], stateDir: string, nowMs: number): string {
  if (surveys.length === 0) return `nothing waits: no collector has used ${harmless(stateDir)}\n`;
  const rows = surveys.map((survey) => [
    survey.table,
    count(survey.rows),
    count(survey.batches),
    count(survey.bytes),
    survey.oldestMs === undefined
      ? '–'
      : `${formatDuration(Math.max(1000, 1000 * Math.round((nowMs - survey.oldestMs) / 1000)))} ago`,
    count(survey.damagedSegments),
    count(survey.deadLetterBytes),
  ]);
  const header = ['table', 'rows', 'batches', 'bytes', 'oldest', 'damaged', 'dead-letter bytes'];
  const sides = header.map((): 'left' => 'left');
  return `${fittingTable([header, ...rows], sides, terminalStyle().width).join('\n')}\n`;
}

function count(amount: number): string {
  return amount.toLocaleString('en-US');
}
