import { join } from 'node:path';
import { Command } from 'commander';
import type { Status } from '../../../schemas/status.ts';
import { EXIT_CODES, OperatingError } from '../../core/base/errors.ts';
import { addsUp } from '../../core/base/ledger.ts';
import { deadLetterDirectory, droppedDeadLetters } from '../../disk/dead-letter.ts';
import { realDisk } from '../../disk/disk.ts';
import { onDisk } from '../../disk/disk-error.ts';
import { requireVisible } from '../../disk/state-dir.ts';
import { lockOwner } from '../../disk/state-lock.ts';
import { readStatus, statusPath } from '../../disk/status-file.ts';
import { harmless, wrap, type Side } from '../../report/text/table-text.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { fittingTable, TERMINAL_WIDTH_MIN, terminalStyle } from '../terminal.ts';

const EXAMPLES = `
Examples:
  gpuledger status                              the collector of this node, as of at most ten seconds ago
  gpuledger status --json --state-dir /var/lib/gpuledger

Every row that was sampled is in exactly one place:
  sampled = acknowledged + held + spooled + refused + dropped
counted over the whole life of the state directory. What the words promise: docs/delivery.md

Exit codes: 0 a collector runs and its account adds up; 69 none runs; 70 the account does not add up;
75 one runs that has written no status yet; 77 you may not look; 78 configuration
`;

export function command(): Command {
  const status = new Command('status')
    .description('Show what the collector of this node is doing, and its account.')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Record<string, unknown>) => {
      const { config } = await configFrom(options, 'onlooker');
      requireVisible(config.stateDir);
      const found = readStatus(statusPath(config.stateDir));
      const owner = await lockOwner(join(config.stateDir, 'delivery'));
      if (found === undefined)
        throw owner === undefined ? notRunning(config.stateDir) : unwritten(config.stateDir, owner);
      const nowMs = Date.now();
      const state = {
        running: owner !== undefined,
        ageMs: nowMs - found.atMs,
        ofFormerLife: isOfFormerLife(found, owner),
      };
      const isSound = found.lanes.every(addsUp);
      const lost = lostDeadLetters(config.stateDir);
      process.stdout.write(
        options['json'] === true
          ? `${JSON.stringify({ ...state, addsUp: isSound, ...found, deadLettersDropped: Object.fromEntries(lost) }, undefined, 2)}\n`
          : statusText(found, owner, nowMs, { lost, width: terminalStyle().width }),
      );
      if (!isSound) process.exitCode = EXIT_CODES.software;
      else if (!state.running) process.exitCode = EXIT_CODES.unavailable;
    });
  return addConfigFlags(status, 'status');
}

/** @throws OperatingError `state.disk` */
function lostDeadLetters(stateDir: string): ReadonlyMap<string, number> {
  const directory = deadLetterDirectory(stateDir);
  return onDisk('the dead letters', directory, () => droppedDeadLetters(realDisk, directory));
}

/** A collector that runs writes its status every ten seconds. */
const STATUS_AGE_MS_MAX = 30_000;

/** A new collector has the place, or `gpuledger spool` has; what is written is of a collector before it. */
function isOfFormerLife({ pid }: Status, owner: number | undefined): boolean {
  return owner !== undefined && owner !== 0 && owner !== pid;
}

/**
 * @param owner pid of the collector that runs, 0 where nobody knows it; undefined when none runs
 * @param lost by table, rows of dead letters that made way for newer ones
 * @param width columns of the terminal
 */
export function statusText(
  status: Status,
  owner: number | undefined,
  nowMs: number,
  {
    lost = new Map(),
    width = Infinity,
  }: { readonly lost?: ReadonlyMap<string, number>; readonly width?: number } = {},
): string {
  const { lanes } = status;
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
  const sendMs = Math.max(0, ...lanes.map(({ lastSendMs }) => lastSendMs));
  const answer = sendMs === 0 ? 'not asked yet' : `ok, ${Math.round(sendMs)} ms a flush`;
  const store = problems.length === 0 ? ` ${status.store} ${answer}` : `: ${problems.join('; ')}`;
  const cpu = status.cpuRatio === undefined ? '' : `${(status.cpuRatio * 100).toFixed(1)} % of a core, `;
  const sentences = (texts: readonly string[]): string[] =>
    texts.flatMap((text) => wrap(harmless(text), Math.max(TERMINAL_WIDTH_MIN, width), '', '  '));
  return [
    ...sentences(headText(status, owner, nowMs)),
    ...fittingTable([header, ...rows], ['left', ...NUMBERS, 'left'], width, '  '),
    ...sentences([
      `  sampled = acknowledged + held + spooled + refused + dropped ${sum}`,
      `QuestDB${store}`,
      ...[...lost].map(
        ([table, rows]) =>
          `${table}: dead letters of ${rows.toLocaleString('en-US')} refused rows made way for newer ones, and are lost`,
      ),
      `this process ${cpu}${Math.round(status.rssBytes / 1e6)} MB`,
    ]),
    '',
  ].join('\n');
}

/** Whether a collector runs, and as of when the figures are that follow. */
function headText(status: Status, owner: number | undefined, nowMs: number): string[] {
  const { atMs, startMs, description, deviceCount, node } = status;
  const said = `${clockText(atMs)} (${ageText(nowMs - atMs)} ago)`;
  if (owner === undefined) return [`not running; it last said something at ${said} · node ${node}`];
  if (isOfFormerLife(status, owner))
    return [
      `process ${owner} runs and has written no status yet (a collector, or gpuledger spool) · node ${node}`,
      `what follows is of a collector before it, which last said something at ${said}`,
    ];
  const running = `collecting since ${clockText(startMs)} (${ageText(nowMs - startMs)}) · ${description} · ${deviceCount} GPUs · node ${node}`;
  if (nowMs - atMs <= STATUS_AGE_MS_MAX) return [running];
  return [running, `as of ${said}: it could not write its status since, or it hangs`];
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

function unwritten(stateDir: string, owner: number): OperatingError {
  const who = owner === 0 ? '' : ` (process ${owner})`;
  return new OperatingError(`a collector runs${who} and has written no status yet`, {
    code: 'status.unwritten',
    exit: 'temporary',
    where: stateDir,
    hints: [
      'it writes the first within ten seconds of its start, unless the disk is full: its log tells',
      'or it is no collector, but gpuledger spool',
    ],
  });
}
