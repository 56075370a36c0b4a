/**
 * Records what a real GPU does under the source `nvml`, in one command, on a machine that has one:
 *
 *   node scripts/record-hardware.ts [seconds = 60] [directory = build/hardware]
 *
 * hardware.md holds the model, the driver, the time of each call, the cost of a tick, and a comparison with nvidia-smi and
 * (where installed) dcgmi over the same time; trace.jsonl is a recording that `--source recording` replays. Give the GPU
 * something to do meanwhile, or the figures are those of an idle one. Root sees more than others.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { loadNvml, nvmlError } from '../native/nvml.ts';
import type { Device } from '../src/core/devices/device.ts';
import { findField } from '../src/core/fields/find-field.ts';
import { laneFieldProblem } from '../src/core/fields/lane.ts';
import type { SampledLane } from '../src/core/sampling/source.ts';
import { listNvmlDevices } from '../src/source/nvml/devices.ts';
import { isSampled } from '../src/source/nvml/lane.ts';
import { openNvmlSource } from '../src/source/nvml/nvml.ts';
import { openRecorder } from './recorder.ts';
import {
  lookAtBuffers,
  lookAtFields,
  lookAtGpm,
  lookAtProcesses,
  timeBatch,
  timeGetters,
} from './hardware-calls.ts';
import type { TableRow } from './hardware-calls.ts';

const INTERVAL_MS = 100;
// prettier-ignore
const FIELD_IDS = [
  1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012,
  155, 156, 157, 100, 101, 102, 150, 140, 190, 203, 204, 206, 207, 250, 251, 252, 253, 254,
  160, 164, 202, 235, 236, 237, 238, 240, 241, 243,
];
/** Column of ours, what nvidia-smi calls it, and what its number is multiplied with. */
const SMI: readonly (readonly [fieldId: number, query: string, factor: number])[] = [
  [155, 'power.draw', 1],
  [203, 'utilization.gpu', 0.01],
  [252, 'memory.used', 1_048_576],
  [100, 'clocks.sm', 1e6],
  [150, 'temperature.gpu', 1],
];
const DCGMI_FIELDS = [1002, 1004, 1005, 155] as const;

const seconds = Number(process.argv[2] ?? 60);
const directory = process.argv[3] ?? 'build/hardware';

function table(head: TableRow, rows: readonly TableRow[]): string {
  const line = (row: TableRow): string => `| ${row.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a program printed in the time; undefined where it is not installed. Ended by its pid when the time is over. */
function listenTo(program: string, args: readonly string[], ms: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const timer = setTimeout(() => child.kill('SIGTERM'), ms);
    child.once('error', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
    child.once('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Means of a program's columns over the lines of the first GPU. */
function meansOf(
  text: string,
  columns: number,
  separator: RegExp,
  isLine: (line: string) => boolean,
): number[] {
  const rows = text
    .split('\n')
    .filter(isLine)
    .map((line) => line.trim().split(separator).slice(-columns).map(Number.parseFloat));
  return Array.from({ length: columns }, (_, k) => mean(rows.map((row) => row[k]!).filter(Number.isFinite)));
}

interface Trace {
  readonly means: ReadonlyMap<number, number>;
  readonly rows: readonly TableRow[];
  readonly description: string;
}

async function sampleFor(file: string, ms: number): Promise<Trace> {
  const fields = FIELD_IDS.map((id) => findField(id)!);
  const lane: SampledLane = { index: 0, name: 'profiling', intervalMs: INTERVAL_MS, fields };
  rmSync(file, { force: true });
  const recorder = openRecorder(file);
  const events: string[] = [];
  const listener = recorder.listen(({ kind, text }) => events.push(`${kind}: ${text}`));
  const source = recorder.wrap(openNvmlSource({ node: 'node', lanes: [lane], onEvent: listener }));
  const known = fields.map((): number[] => []);
  const tookMs: number[] = [];
  const cpuFrom = process.cpuUsage();
  const startMs = performance.now();
  for (let n = 0; n * INTERVAL_MS < ms; n += 1) {
    await sleep(Math.max(0, startMs + n * INTERVAL_MS - performance.now()));
    const fromMs = performance.now();
    source.sample(
      lane,
      {
        setRow: () => undefined,
        set: (device, column, value) => {
          if (device === 0 && Number.isFinite(value)) known[column]!.push(value);
        },
        next: () => true,
      },
      Date.now() * 1000,
    );
    tookMs.push(performance.now() - fromMs);
  }
  const cpu = process.cpuUsage(cpuFrom);
  const description = source.describe?.() ?? '';
  source.close();
  tookMs.sort((a, b) => a - b);
  const ticks = tookMs.length;
  return {
    description,
    means: new Map(FIELD_IDS.map((id, k) => [id, mean(known[k]!)])),
    rows: [
      ['ticks', ticks],
      ['a tick of all devices, median ms', tookMs[Math.floor(ticks / 2)]!.toFixed(2)],
      ['a tick of all devices, 99th percentile ms', tookMs[Math.floor(ticks * 0.99)]!.toFixed(2)],
      ['CPU a tick, ms (with the recording)', ((cpu.user + cpu.system) / 1000 / ticks).toFixed(2)],
      ...fields.map(({ column }, k): TableRow => [`values of ${column}`, known[k]!.length]),
      ...[...new Set(events)].map((text): TableRow => ['event', text]),
    ],
  };
}

function describeMachine(devices: readonly Device[], library: string): string {
  const models = devices.map(({ model, memoryBytes, migProfile }) =>
    [model, migProfile, `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`]
      .filter((part) => part !== undefined)
      .join(' '),
  );
  return table(
    ['what', 'value'],
    [
      ['devices', models.join('; ')],
      ['driver', devices[0]?.driver ?? '?'],
      ['library', library],
      ['kernel', release()],
      ['CPU', `${cpus().length} x ${cpus()[0]?.model ?? '?'}`],
      ['Node', process.version],
      ['user id', process.getuid?.() ?? '?'],
      ['recorded', new Date().toISOString()],
    ],
  );
}

mkdirSync(directory, { recursive: true });
const nvml = loadNvml();
const code = nvml.init();
if (code !== 0) throw nvmlError('nvmlInit_v2', code, nvml.library.path);
const { devices } = listNvmlDevices(nvml, 'node');
const gpu = devices[0]?.handle;
if (gpu === undefined) throw new Error('there is no GPU here');
const parts = [
  '# Measured on hardware\n',
  describeMachine(
    devices.map(({ device }) => device),
    nvml.library.path,
  ),
];
const section = (title: string, head: TableRow, rows: readonly TableRow[]): void => {
  parts.push(`## ${title}\n`, table(head, rows));
};
const CALL_HEAD = ['call', 'median µs', 'p99 µs', 'longest µs', 'answer'];
const gpm = lookAtGpm(nvml, gpu);
section('Calls', CALL_HEAD, [
  ...(gpm?.times ?? []),
  timeBatch(nvml, gpu, FIELD_IDS),
  timeBatch(nvml, gpu, everyFieldId()),
  ...timeGetters(nvml, gpu),
]);
section(
  'Field values',
  ['NVML id', 'column', 'answer', 'type', 'driver says µs', 'raw'],
  lookAtFields(nvml, gpu),
);
section('GPM pairs by age', ['ms apart', 'calls', 'metric 2', 'SM active %'], gpm?.pairs ?? []);
section('GPM metrics', ['id', 'name', 'unit', 'answer', 'value'], gpm?.metrics ?? []);
section(
  'Buffers of the driver',
  ['type', 'answer', 'samples', 'spacing ms', 'newest s ago'],
  lookAtBuffers(nvml, gpu),
);
section('Processes', ['call', 'answer', 'entries', 'bytes', 'first ones'], lookAtProcesses(nvml, gpu));

const query = `--query-gpu=${SMI.map(([, name]) => name).join(',')}`;
const ms = seconds * 1000;
const [trace, smi, dcgmi] = await Promise.all([
  sampleFor(join(directory, 'trace.jsonl'), ms),
  listenTo('nvidia-smi', ['-i', '0', query, '--format=csv,noheader,nounits', '-lms', '500'], ms),
  listenTo('dcgmi', ['dmon', '-i', '0', '-e', DCGMI_FIELDS.join(','), '-d', '500'], ms),
]);
section(`${seconds} s at ${INTERVAL_MS} ms: ${trace.description}`, ['what', 'value'], trace.rows);
const ours = (id: number): string => (trace.means.get(id) ?? NaN).toPrecision(6);
const smiMeans = smi === undefined ? [] : meansOf(smi, SMI.length, /,\s*/, (line) => /\d/.test(line));
const dcgmiMeans =
  dcgmi === undefined ? [] : meansOf(dcgmi, DCGMI_FIELDS.length, /\s+/, (line) => line.startsWith('GPU'));
section(
  'The same time by others, means of GPU 0',
  ['column', 'ours', 'nvidia-smi', 'dcgmi'],
  [
    ...SMI.map(([id, , factor], k): TableRow => [
      findField(id)!.column,
      ours(id),
      smiMeans[k] === undefined ? 'not there' : (smiMeans[k] * factor).toPrecision(6),
      id === 155 ? (dcgmiMeans[3]?.toPrecision(6) ?? 'not there') : '',
    ]),
    ...DCGMI_FIELDS.slice(0, 3).map((id, k): TableRow => [
      findField(id)!.column,
      ours(id),
      '',
      dcgmiMeans[k]?.toPrecision(6) ?? 'not there',
    ]),
  ],
);
nvml.shutdown();
writeFileSync(join(directory, 'hardware.md'), parts.join('\n'));
console.log(`wrote ${join(directory, 'hardware.md')} and ${join(directory, 'trace.jsonl')}`);

/** Every field that a lane can have and NVML has. */
function everyFieldId(): readonly number[] {
  return Array.from({ length: 1600 }, (_, id) => findField(id))
    .filter((field) => field !== undefined)
    .filter((field) => laneFieldProblem(field) === undefined && isSampled(field.id))
    .map(({ id }) => id);
}
