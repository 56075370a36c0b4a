import { assert } from '../base/assert.ts';
import type { Fault, Plan, PlannedJob, PlannedShare } from './plan.ts';
import type { ScenarioOptions } from './scenario.ts';
import { ACCOUNT_OF, LATER_JOBS, MORNING_JOBS, type DemoJob } from './demo-jobs.ts';
import { SECOND_US } from './level.ts';

export const DEMO_DURATION_US = 6 * 3600 * SECOND_US;

/** The jobs that the demo reports on: one that does well, one that holds GPUs and wastes them. */
export const GOOD_JOB_ID = '4217';
export const WASTEFUL_JOB_ID = '4225';
/** One of its four GPUs computes longer than the others, which wait for it. */
export const STRAGGLER_JOB_ID = '4230';

const device = (node: number, gpu: number): number => (node - 1) * 8 + gpu;
const seconds = (value: number): number => Math.round(value * SECOND_US);

const TENSOR = 1004;
const DRAM = 1005;
const OTHER_PROFILER = 'Another profiler holds the counters.';

const FAULTS: readonly Fault[] = [
  { kind: 'throttle', device: device(2, 3), fromUs: seconds(8722), toUs: seconds(9562) },
  { kind: 'throttle', device: device(1, 5), fromUs: seconds(15001.3), toUs: seconds(15240.3) },
  { kind: 'ecc', device: device(2, 0), atUs: seconds(7000.2) },
  {
    kind: 'xid',
    device: device(1, 7),
    atUs: seconds(2222.2),
    code: 31,
    text: 'XID 31: MMU fault of an application.',
  },
  {
    kind: 'xid',
    device: device(1, 2),
    atUs: seconds(16200.4),
    code: 79,
    text: 'XID 79: GPU has fallen off the bus.',
  },
  { kind: 'absent', device: device(1, 2), fromUs: seconds(16200.4), toUs: seconds(18600), isReset: true },
  // One tick late is a longer dt; five and six seconds are gaps.
  { kind: 'absent', device: device(1, 1), fromUs: seconds(5999), toUs: seconds(6000), isReset: false },
  { kind: 'absent', device: device(2, 1), fromUs: seconds(9000), toUs: seconds(9005), isReset: false },
  { kind: 'absent', device: device(2, 6), fromUs: seconds(10000), toUs: seconds(10006), isReset: false },
  {
    kind: 'blank',
    device: device(1, 6),
    fieldId: TENSOR,
    fromUs: seconds(18700),
    toUs: seconds(19300.5),
    text: OTHER_PROFILER,
  },
  {
    kind: 'blank',
    device: device(1, 6),
    fieldId: DRAM,
    fromUs: seconds(18700),
    toUs: seconds(19300.5),
    text: OTHER_PROFILER,
  },
  // Sensors that stop and never come back: the energy counter in one job, a temperature in another.
  {
    kind: 'blank',
    device: device(1, 7),
    fieldId: 156,
    fromUs: seconds(19000),
    toUs: Infinity,
    text: 'The energy counter stopped.',
  },
  {
    kind: 'blank',
    device: device(1, 7),
    fieldId: 140,
    fromUs: seconds(19000),
    toUs: Infinity,
    text: 'The sensor stopped.',
  },
];

/** Six hours of two nodes with eight GPUs each. */
export function planDemo(options: ScenarioOptions): Plan {
  const isPlanned = options.nodes === 2 && options.gpusPerNode === 8 && options.mig !== true;
  assert(isPlanned, 'the demo is written for two nodes with eight whole GPUs each');
  const jobs = [...MORNING_JOBS, ...LATER_JOBS].map(plannedJob);
  return { jobs, faults: FAULTS, originUs: options.startUs, cycleUs: Infinity, idsPerCycle: 0 };
}

function plannedJob(line: DemoJob): PlannedJob {
  const shares = sharesOf(line.on);
  return {
    id: line.id,
    run: line.run ?? 0,
    startUs: seconds(line.from),
    endUs: seconds(line.to),
    shape: line.shape,
    devices: shares.map((share, rank) => {
      const shape = line.others?.[rank];
      const slowness = line.slow?.[rank];
      return {
        ...share,
        ...(shape === undefined ? {} : { shape }),
        ...(slowness === undefined ? {} : { slowness }),
      };
    }),
    details: {
      name: line.name,
      user: line.user,
      account: ACCOUNT_OF[line.user],
      partition: line.partition ?? 'gpu',
      qos: line.qos ?? 'normal',
      nodes: line.on.split(' ').length,
      gpus: shares.length,
      state: line.state ?? 'COMPLETED',
      exitCode: line.exit ?? 0,
      ...(line.array === undefined ? {} : { arrayTaskId: String(line.array[1]) }),
    },
    ...(line.array === undefined ? {} : { arrayId: line.array[0] }),
    ...(line.hangsAt === undefined ? {} : { hangsAtUs: seconds(line.hangsAt) }),
  };
}

function sharesOf(on: string): PlannedShare[] {
  return on.split(' ').flatMap((part) => {
    const match = /^n(\d):(\d)(?:-(\d))?(?:@(.+))?$/.exec(part);
    assert(match !== null, `not a place in the demo: ${part}`);
    const first = Number(match[2]);
    const last = Number(match[3] ?? first);
    const share = match[4] === undefined ? 1 : match[4] === '?' ? NaN : Number(match[4]);
    return Array.from({ length: last - first + 1 }, (_, i) => ({
      device: device(Number(match[1]), first + i),
      share,
    }));
  });
}
