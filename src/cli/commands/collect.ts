import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDurationMs } from '../../../schemas/duration.ts';
import type { Collection } from '../../collector/collection.ts';
import { onceMs, tickedAtStart } from '../../collector/one-tick.ts';
import type { LaneAccount } from '../../delivery/lane-accounts.ts';
import { EXIT_CODES, messageOf, OperatingError } from '../../core/base/errors.ts';
import { requireAllDevices } from '../../source/source-spec.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { createLog } from '../log.ts';
import { requireLibrary } from '../require-library.ts';
import { stopSignal } from '../stop-signal.ts';
import { fittingTable, terminalStyle } from '../terminal.ts';

const EXAMPLES = `
Examples:
  gpuledger collect --for 60s                                   one minute of this node's GPUs
  gpuledger collect --source synthetic --gpus 8 --interval 100ms --for 30s
  gpuledger collect --once                                      one tick of every lane, now
  gpuledger collect --for 1h --json --config node.yaml          for a batch job

Exit codes: 0 all written; 65 QuestDB refused rows, which are kept as dead letters; 69 no source; 75 the store did not take
            everything; 78 configuration
`;

/** What the last tick and the closing of the source may take beyond the time that was asked for. */
const OVERDUE_MS = 5_000;

export function command(): Command {
  const collect = new Command('collect')
    .description('Sample for a while, write everything, exit.')
    .option('--for <duration>', 'how long to sample: 30s, 10m, 1h', durationArgument)
    .addOption(new Option('--once', 'one tick of every lane; it speaks for no time (dt 0)').conflicts('for'))
    .option('--force', 'write samples of the source synthetic also to a store that has real ones')
    .option('--json', 'print the account as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Record<string, unknown>) => {
      if (options['for'] === undefined && options['once'] === undefined) {
        collect.error('error: expected how long to collect: --for 60s, or --once', {
          exitCode: EXIT_CODES.usage,
        });
      }
      const isOnce = options['once'] === true;
      const { config: given, warnings } = await configFrom(options);
      const config = isOnce ? { ...given, lanes: given.lanes.map(tickedAtStart) } : given;
      requireAllDevices(config);
      await requireLibrary(config);
      const [{ cronScheduling }, { startCollection }, { SAMPLER_PATIENCE_MS }] = await Promise.all([
        import('../../../jobs/scheduling.ts'),
        import('../../collector/collection.ts'),
        import('../../collector/shut-down.ts'),
      ]);
      const tell = createLog(config.log.format, config.log.level);
      for (const sentence of warnings) tell({ level: 'warn', code: 'config.warning', sentence });
      const forMs = isOnce ? onceMs(config.lanes) : Number(options['for']);
      const collection = await startCollection({
        ...{ config, tell, scheduling: cronScheduling, isStoreNeeded: true },
        clock: { kind: 'real', forMs },
        isForced: options['force'] === true,
      });
      const { collector } = collection;
      const refusedBefore = refusedRowsOf(collector.account());
      await Promise.race([collector.ended, stopSignal(), overdue(forMs)]);
      const isAllWritten = await collection.close();
      const lanes = collector.account();
      process.stdout.write(
        options['json'] === true
          ? `${JSON.stringify({ source: collector.source, devices: collector.devices.length, store: collection.db.where, lanes: withBefore(lanes, collector.sampledBefore) })}\n`
          : `${accountText(lanes)}${formerText(collection, lanes)}${placeText(collection)}\n`,
      );
      const callMs = collector.callMs();
      if (callMs >= SAMPLER_PATIENCE_MS) {
        throw new OperatingError(`the source has not answered for ${(callMs / 1000).toFixed(1)} s`, {
          code: 'source.silent',
          exit: 'temporary',
          where: collector.description,
          hints: ['all that it had delivered before is written, or spooled as the account says'],
        });
      }
      if (!isAllWritten) {
        throw new OperatingError('QuestDB did not take everything that was sampled', {
          code: 'collect.unsent',
          exit: 'temporary',
          where: collection.db.where,
        });
      }
      const refusedRows = refusedRowsOf(lanes) - refusedBefore;
      if (refusedRows > 0) {
        throw new OperatingError(`QuestDB refused ${refusedRows} of the rows that were sampled`, {
          code: 'collect.refused',
          exit: 'data',
          where: collection.db.where,
          hints: [
            'the log says why, and in which file they are kept: see "Rows that QuestDB refuses" in docs/delivery.md',
          ],
        });
      }
    });
  return addConfigFlags(collect, 'collect');
}

/** Where that went: another server may answer on the port than the one that people think of. */
function placeText({ collector, db }: Collection): string {
  return `written to ${db.where}: ${collector.lanes.map(({ table }) => table).join(', ')}`;
}

/** Over all lives of the state directory. */
function refusedRowsOf(lanes: readonly LaneAccount[]): number {
  return lanes.reduce((sum, lane) => sum + lane.refusedRows, 0);
}

/** The sampling worker ends by itself in time, unless a call of its source hangs. */
function overdue(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs + OVERDUE_MS).unref());
}

/** @throws InvalidArgumentError, which the command line answers with usage (64). */
function durationArgument(text: string): number {
  try {
    const ms = parseDurationMs(text);
    if (ms > 0) return ms;
  } catch (thrown) {
    throw new InvalidArgumentError(messageOf(thrown));
  }
  throw new InvalidArgumentError(`expected a duration above 0, came ${text}; one tick: --once`);
}

/** The counts are of the whole life of the state directory: how much of them was there before this run. */
function withBefore(lanes: readonly LaneAccount[], sampledBefore: readonly number[]): object[] {
  return lanes.map((lane, index) => ({ ...lane, sampledBeforeRows: sampledBefore[index]! }));
}

function formerText({ collector, stateDir }: Collection, lanes: readonly LaneAccount[]): string {
  if (collector.sampledBefore.every((rows) => rows === 0)) return '';
  const own = lanes.map(
    ({ lane, sampledRows }, index) =>
      `${lane} ${(sampledRows - collector.sampledBefore[index]!).toLocaleString('en-US')}`,
  );
  return `counted over the whole life of ${stateDir}; this run sampled ${own.join(', ')}\n`;
}

/** One line a lane: sampled = acknowledged + held + spooled + refused + dropped. */
function accountText(lanes: readonly LaneAccount[]): string {
  const header = ['lane', 'sampled', 'acknowledged', 'held', 'spooled', 'refused', 'dropped'];
  const rows = lanes.map((lane) =>
    [
      lane.lane,
      lane.sampledRows,
      lane.acknowledgedRows,
      lane.heldRows,
      lane.spooledRows,
      lane.refusedRows,
      lane.droppedRows,
    ].map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell)),
  );
  return `${fittingTable([header, ...rows], ['left'], terminalStyle().width).join('\n')}\n`;
}
