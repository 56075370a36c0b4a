import { join } from 'node:path';
import { Command } from 'commander';
import type { Status } from '../../../schemas/status.ts';
import { EXIT_CODES, OperatingError } from '../../core/base/errors.ts';
import { addsUp } from '../../core/base/ledger.ts';
import { lockOwner } from '../../disk/state-lock.ts';
import { readStatus, statusPath } from '../../disk/status-file.ts';
import { tableText, type Side } from '../../report/text/table-text.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';

const EXAMPLES = `
Examples:
  gpuledger status                              the collector of this node, as of at most ten seconds ago
  gpuledger status --json --state-dir /var/lib/gpuledger

Every row that was sampled is in exactly one place:
  sampled = acknowledged + held + spooled + refused + dropped
counted over the whole life of the state directory. What the words promise: docs/delivery.md

Exit codes: 0 a collector runs and its account adds up; 69 none runs; 70 the account does not add up; 78 configuration
`;

export function command(): Command {
  const status = new Command('status')
    .description('Show what the collector of this node is doing, and its account.')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options);
      const found = readStatus(statusPath(config.stateDir));
      const isRunning =
        found !== undefined && (await lockOwner(join(config.stateDir, 'delivery'))) === found.pid;
      if (found === undefined) throw notRunning(config.stateDir);
      const isSound = found.lanes.every(addsUp);
      process.stdout.write(
        options['json'] === true
          ? `${JSON.stringify({ running: isRunning, addsUp: isSound, ...found }, undefined, 2)}\n`
          : statusText(found, isRunning, Date.now()),
      );
      if (!isSound) process.exitCode = EXIT_CODES.software;
      else if (!isRunning) process.exitCode = EXIT_CODES.unavailable;
    });
  return addConfigFlags(status, 'status');
}

export function statusText(status: Status, isRunning: boolean, nowMs: number): string {
  const { lanes, deviceCount, description, node } = status;
  const rows = lanes.map((lane) => [
    lane.lane,
    lane.intervalMs < 1000 ? `${lane.intervalMs} ms` : `${lane.intervalMs / 1000} s`,
    ...[
      lane.sampledRows,
      lane.acknowledgedRows,
      lane.heldRows,
      lane.spooledRows,
      lane.refusedRows,
      lane.droppedRows,
    ].map((amount) => amount.toLocaleString('en-US')),
    lane.lastAcknowledgedMs === 0 ? 'none yet' : `${ageText(nowMs - lane.lastAcknowledgedMs)} ago`,
  ]);
  const header = [
    'lane',
    'every',
    'sampled',
    'acknowledged',
    'held',
    'spooled',
    'refused',
    'dropped',
    'last ack',
  ];
  const wrong = lanes.filter((lane) => !addsUp(lane)).map(({ lane }) => lane);
  const sum = wrong.length === 0 ? '✓' : `does not hold for ${wrong.join(', ')}: please report it`;
  const problems = [...new Set(lanes.flatMap(({ problem }) => problem ?? []))];
  const sendMs = Math.round(Math.max(...lanes.map(({ lastSendMs }) => lastSendMs)));
  const store =
    problems.length === 0 ? ` ${status.store} ok, ${sendMs} ms a flush` : `: ${problems.join('; ')}`;
  const cpu = status.cpuRatio === undefined ? '' : `${(status.cpuRatio * 100).toFixed(1)} % of a core, `;
  return [
    isRunning
      ? `collecting since ${clockText(status.startMs)} (${ageText(nowMs - status.startMs)}) · ${description} · ${deviceCount} GPUs · node ${node}`
      : `not running; it last said something at ${clockText(status.atMs)} (${ageText(nowMs - status.atMs)} ago) · node ${node}`,
    ...tableText([header, ...rows], ['left', ...NUMBERS, 'left']),
    `  sampled = acknowledged + held + spooled + refused + dropped ${sum}`,
    `QuestDB${store}`,
    `this process ${cpu}${Math.round(status.rssBytes / 1e6)} MB`,
    '',
  ].join('\n');
}

/** From `every` to `dropped`. */
const NUMBERS = Array<Side>(7).fill('right');

function clockText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `0.4 s`, `12 s`, `5 min`, `4 h 28 min`, `3 d 2 h`. */
function ageText(ms: number): string {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function notRunning(stateDir: string): OperatingError {
  return new OperatingError('no collector has ever run with this state directory', {
    code: 'status.none',
    exit: 'unavailable',
    where: stateDir,
    hints: ['start one: gpuledger run', 'or name its directory: --state-dir'],
  });
}
