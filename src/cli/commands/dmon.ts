import { Command } from 'commander';
import { parseDurationMs } from '../../../schemas/duration.ts';
import { nearestFieldNames } from '../../../schemas/nearest.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { Field } from '../../core/fields/field.ts';
import { findField } from '../../core/fields/find-field.ts';
import { laneFieldProblem, recordableFields } from '../../core/fields/lane.ts';
import type { SourceSpec } from '../../source/open-source.ts';
import { startSampler } from '../../sampler/sampler.ts';
import type { Sampler } from '../../sampler/sampler.ts';
import { harmless } from '../../report/text/table-text.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { createLiveTable, createPlainLines } from '../dmon-view.ts';
import type { DmonRow, DmonView } from '../dmon-view.ts';
import { requireLibrary } from '../require-library.ts';
import { sourceSpecOf } from '../../source/source-spec.ts';
import { stopSignal } from '../stop-signal.ts';

const EXAMPLES = `
Examples:
  gpuledger dmon                              the usual fields of every device, once a second
  gpuledger dmon -e 1002,1004,power_watts -d 200ms -c 50
  gpuledger dmon -e DCGM_FI_PROF_DRAM_ACTIVE -i g:0,2
  gpuledger dmon -r localhost | grep GPU-     plain lines in a pipe: time, device, one value a field

Nothing is stored. Values are in base units (docs/fields.md); "-" is no value. Over a host engine rows come 2 to 3 s late,
when all their series are in. All fields: gpuledger fields --all

Exit codes: 0 ended; 64 a bad option; 69 no library or device; 75 the engine does not answer
`;

const DEFAULT_FIELDS = '1002,1004,1005,155,252,150';
/** Ticks between two looks at the ring, at most. */
const LOOK_EVERY_MS = 100;
const CAPACITY_TICKS = 256;
const STOP_PATIENCE_MS = 1_000;
/** Nobody watches a table that changes less often. */
const DELAY_MS_MAX = 3_600_000;

interface DmonOptions {
  readonly e: string;
  readonly d: string;
  readonly c?: string;
  readonly i?: string;
}

export function command(): Command {
  const dmon = new Command('dmon')
    .description('Watch the devices live, in the manner of dcgmi dmon.')
    .option('-e <fields>', 'comma-joined ids, names or columns', DEFAULT_FIELDS)
    .option('-d <delay>', 'time between two rows of a device: 100ms, 1s; a bare number is milliseconds', '1s')
    .option('-c <count>', 'end after so many rows of a device')
    .option('-i <devices>', 'the same as --devices')
    .addHelpText('after', EXAMPLES)
    .action(async (options: DmonOptions & Record<string, unknown>) => {
      const fields = fieldsOf(options.e);
      const intervalMs = delayOf(options.d);
      const count = countOf(options.c);
      const { config } = await configFrom(
        options.i === undefined ? options : { ...options, devices: options.i },
        'onlooker',
      );
      await requireLibrary(config);
      const sampler = await startSampler(
        transient(sourceSpecOf(config)),
        [laneOf(fields, intervalMs)],
        { kind: 'real' },
        {
          // This table shows no events but devices that somebody named, and that are not there.
          onEvent: ({ kind, text }) => {
            if (kind === 'unresolved') process.stderr.write(`gpuledger: ${harmless(text)}\n`);
          },
          onMissed: () => undefined,
          onJournalFailed: () => undefined,
        },
      );
      const { devices, description } = sampler;
      const view = process.stdout.isTTY
        ? createLiveTable(fields, devices, description, process.stdout.columns)
        : createPlainLines(fields, devices, description);
      await show(sampler, fields, view, count);
    });
  return addConfigFlags(dmon, 'dmon');
}

function laneOf(fields: readonly Field[], intervalMs: number): Parameters<typeof startSampler>[1][number] {
  const fieldIds = fields.map(({ id }) => id);
  return { name: 'dmon', intervalMs, isContinuous: true, fieldIds, capacityTicks: CAPACITY_TICKS };
}

/** No watch is left behind in an engine that others share. */
function transient(spec: SourceSpec): SourceSpec {
  return spec.name === 'dcgm' ? { ...spec, route: 'poll', isTransient: true } : spec;
}

/** Takes ticks off the ring and shows them until the count is reached, the source ends, or a signal comes. */
async function show(
  sampler: Sampler,
  fields: readonly Field[],
  view: DmonView,
  count: number,
): Promise<void> {
  const stop = new AbortController();
  const ended = Promise.race([sampler.ended, stopSignal()]).finally(() => {
    stop.abort();
  });
  const shown = new Map<string, number>();
  while (!stop.signal.aborted) {
    // Several ticks may come at once: each row is counted before the next is judged.
    const rows = takeRows(sampler, fields).filter(({ device: { uuid } }) => {
      const before = shown.get(uuid) ?? 0;
      shown.set(uuid, before + 1);
      return before < count;
    });
    if (rows.length > 0) process.stdout.write(view(rows));
    if (sampler.devices.every(({ uuid }) => (shown.get(uuid) ?? 0) >= count)) break;
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))]);
  }
  sampler.control.stop();
  // A call that hangs can hold the worker for minutes: nothing is lost by leaving it.
  await Promise.race([
    sampler.ended,
    new Promise((resolve) => setTimeout(resolve, STOP_PATIENCE_MS).unref()),
  ]);
  await (stop.signal.aborted ? ended : undefined);
}

function takeRows(sampler: Sampler, fields: readonly Field[]): DmonRow[] {
  const ring = sampler.rings[0]!;
  const rows: DmonRow[] = [];
  const { to } = ring.peek(CAPACITY_TICKS, (range) => {
    for (let tick = range.from; tick < range.to; tick += 1) {
      for (const [index, device] of sampler.devices.entries()) {
        const at = ring.baseOf(tick) + index;
        const tsUs = ring.tsUs[at]!;
        if (Number.isNaN(tsUs)) continue;
        rows.push({ device, tsUs, values: fields.map((_, column) => ring.columns[column]![at]!) });
      }
    }
    return range.to - range.from;
  });
  ring.release(to);
  return rows;
}

/** @throws OperatingError (exit 64) that names what was meant. */
function fieldsOf(text: string): readonly Field[] {
  const named = text.split(',').map((name) => {
    const field = findField(name.trim());
    const problem = field === undefined ? undefined : laneFieldProblem(field);
    if (field !== undefined && problem === undefined) return field;
    const nearest = nearestFieldNames(name, recordableFields());
    throw new OperatingError(
      `-e: ${field === undefined ? `no field "${name}"` : `field "${name}": ${problem ?? ''}`}`,
      {
        code: 'usage.field',
        exit: 'usage',
        hints:
          field === undefined && nearest.length > 0
            ? [`did you mean: ${nearest.join(', ')}`]
            : ['all fields: gpuledger fields --all'],
      },
    );
  });
  // A quantity that is asked for by two of its numbers is one column.
  return [...new Set(named)];
}

/** dcgmi's delay is a bare number of milliseconds. @throws OperatingError (exit 64) */
function delayOf(text: string): number {
  try {
    const ms = /^\d+$/.test(text) ? Number(text) : parseDurationMs(text);
    if (ms >= 10 && ms <= DELAY_MS_MAX) return ms;
  } catch (cause) {
    if (!(cause instanceof OperatingError)) throw cause;
  }
  throw new OperatingError(`-d "${text}": expected a duration of 10ms to 1h, like 100ms or 1s`, {
    code: 'usage.delay',
    exit: 'usage',
  });
}

function countOf(text: string | undefined): number {
  if (text === undefined) return Infinity;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new OperatingError(`-c "${text}": expected a whole number above 0`, {
    code: 'usage.count',
    exit: 'usage',
  });
}
