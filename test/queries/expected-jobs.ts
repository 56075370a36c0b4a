import {
  byDevice,
  hours,
  idleTime,
  integral,
  joulesOf,
  kwh,
  mean,
  SM,
  timeOf,
  total,
  withGauge,
  type Weighed,
} from './arithmetic.ts';
import type { ToldStay } from '../helpers/owner-sets.ts';
import {
  at,
  DEVICES,
  EVENTS,
  HOSTILE,
  MEMORY_BYTES,
  samplesOf,
  SECOND,
  STAYS,
  type Sample,
} from './history.ts';

/** What queries about one job should answer, from the rows of the history and nothing else. */

export type Expected = Readonly<Record<string, string | number | null>>;

export interface Case {
  readonly given: Readonly<Record<string, string>>;
  readonly rows: () => readonly Expected[];
}

const ofJob = (jobId: string): Weighed[] => samplesOf(jobId);
const whole = (own: readonly Weighed[]): Weighed[] => own.map(({ sample }) => ({ sample, part: 1 }));
const deviceOf = (gpu: string): { node: string; gpu: string } => ({
  node: DEVICES.find((one) => one.gpu === gpu)!.node,
  gpu,
});
const sm = ({ sample }: Weighed): number => sample.values[SM]!;
const stepOf = (us: number, seconds: number): number =>
  Math.floor(us / (seconds * SECOND)) * seconds * SECOND;
/** By device, ordered as they are numbered, which is by node too. */
const perDevice = (own: readonly Weighed[], row: (mine: Weighed[]) => Expected): Expected[] =>
  [...byDevice(own)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([gpu, mine]) => ({ ...deviceOf(gpu), ...row(mine) }));

function devices(jobId: string): Expected[] {
  return perDevice(ofJob(jobId), (mine) => ({
    gpu_hours: hours(timeOf(mine)),
    sm_active_ratio: mean(mine, SM),
    idle_ratio: idleTime(mine) / timeOf(withGauge(mine, SM)),
    power_watts: mean(mine, 'power_watts'),
    kwh: kwh(joulesOf(mine)),
  }));
}

function phases(jobId: string, seconds: number): Expected[] {
  return [...Map.groupBy(ofJob(jobId), ({ sample }) => stepOf(sample.us, seconds))]
    .sort(([a], [b]) => a - b)
    .map(([ts, mine]) => ({
      ts,
      devices: byDevice(mine).size,
      gpu_hours: hours(timeOf(mine)),
      sm_active_ratio: mean(mine, SM),
      sm_min_ratio: Math.min(...withGauge(mine, SM).map(sm)),
      sm_max_ratio: Math.max(...withGauge(mine, SM).map(sm)),
      tensor_active_ratio: mean(mine, 'tensor_active_ratio'),
      dram_active_ratio: mean(mine, 'dram_active_ratio'),
      power_watts: mean(mine, 'power_watts'),
    }));
}

/** Pearson's. */
function correlation(pairs: readonly (readonly [number, number])[]): number {
  const [a, b] = [0, 1].map((side) => total(pairs, (pair) => pair[side]!) / pairs.length) as [number, number];
  const product = total(pairs, ([x, y]) => (x - a) * (y - b));
  return product / Math.sqrt(total(pairs, ([x]) => (x - a) ** 2) * total(pairs, ([, y]) => (y - b) ** 2));
}

function rhythm(jobId: string, from: number, to: number, lags: number, limit: number): Expected[] {
  const window = whole(ofJob(jobId)).filter(({ sample }) => sample.us > at(from) && sample.us <= at(to));
  const series = [...Map.groupBy(window, ({ sample }) => sample.us)]
    .sort(([a], [b]) => a - b)
    .map(([, mine]) => mean(mine, SM)!);
  return Array.from({ length: lags }, (_, index) => index + 1)
    .map((lag) => {
      const pairs = series.slice(lag).map((x, position) => [x, series[position]!] as const);
      return { ticks: lag, seconds: lag, correlation: correlation(pairs), pairs: pairs.length };
    })
    .sort((a, b) => b.correlation - a.correlation)
    .slice(0, limit);
}

function longestIdle(jobId: string, limit = 10, below = 0.05): Expected[] {
  const stretches: Sample[][] = [];
  for (const [, mine] of byDevice(ofJob(jobId))) {
    let open: Sample[] | undefined;
    for (const { sample } of mine.toSorted((a, b) => a.sample.us - b.sample.us)) {
      const level = sample.values[SM];
      const isIdle = level !== undefined && level < below && sample.dtUs > 0;
      if (!isIdle) open = undefined;
      else if (open === undefined) stretches.push((open = [sample]));
      else open.push(sample);
    }
  }
  return stretches
    .map((samples) => ({
      ...deviceOf(samples[0]!.device.gpu),
      from_ts: samples[0]!.us - samples[0]!.dtUs,
      to_ts: samples.at(-1)!.us,
      seconds: total(samples, ({ dtUs }) => dtUs) / SECOND,
      sm_max_ratio: Math.max(...samples.map(({ values }) => values[SM]!)),
    }))
    .sort((a, b) => b.seconds - a.seconds || a.from_ts - b.from_ts || (a.gpu < b.gpu ? -1 : 1))
    .slice(0, limit);
}

const ENGINE = 'gr_engine_active_ratio';

function stragglers(jobId: string): Expected[] {
  const active = [...Map.groupBy(whole(ofJob(jobId)), ({ sample }) => stepOf(sample.us, 60))].filter(
    ([, mine]) => mean(mine, SM)! >= 0.05,
  );
  const means = active.map(
    ([, mine]) =>
      new Map(
        [...byDevice(mine)].map(([gpu, own]) => [
          gpu,
          { own, sm: mean(own, SM)!, engine: mean(own, ENGINE)! },
        ]),
      ),
  );
  const pooled = new Map(
    [...means[0]!.keys()].map((gpu) => [gpu, means.flatMap((slice) => slice.get(gpu)!.own)]),
  );
  /** A single device has no others. */
  const aboveOthers = (gpu: string, column: string): number | null => {
    const others = [...pooled].filter(([other]) => other !== gpu);
    if (others.length === 0) return null;
    return mean(pooled.get(gpu)!, column)! - total(others, ([, own]) => mean(own, column)!) / others.length;
  };
  return [...pooled]
    .map(([gpu, own]) => ({
      ...deviceOf(gpu),
      slices: means.length,
      sm_active_ratio: mean(own, SM),
      sm_above_others: aboveOthers(gpu, SM),
      highest_in_ratio:
        means.filter(
          (slice) => slice.get(gpu)!.sm === Math.max(...[...slice.values()].map((each) => each.sm)),
        ).length / means.length,
      engine_active_ratio: mean(own, ENGINE),
      engine_above_others: aboveOthers(gpu, ENGINE),
      lowest_engine_in_ratio:
        means.filter(
          (slice) => slice.get(gpu)!.engine === Math.min(...[...slice.values()].map((each) => each.engine)),
        ).length / means.length,
    }))
    .sort((a, b) => (b.sm_above_others ?? 0) - (a.sm_above_others ?? 0));
}

function imbalance(jobId: string, limit: number): Expected[] {
  return [...Map.groupBy(whole(ofJob(jobId)), ({ sample }) => stepOf(sample.us, 120))]
    .map(([ts, mine]) => {
      const means = [...byDevice(mine).values()].map((own) => mean(own, SM)!);
      const [least, most] = [Math.min(...means), Math.max(...means)];
      return {
        ...{
          ts,
          devices: means.length,
          least_active_ratio: least,
          mean_active_ratio: total(means, (each) => each) / means.length,
        },
        ...{ most_active_ratio: most, spread: most - least },
      };
    })
    .sort((a, b) => b.spread - a.spread || a.ts - b.ts)
    .slice(0, limit);
}

function memoryCreep(jobId: string, from: number): Expected[] {
  return perDevice(
    ofJob(jobId).filter(({ sample }) => sample.us > at(from)),
    (mine) => {
      const points = mine.map(
        ({ sample }) => [(sample.us - at(0)) / 3.6e9, sample.values['fb_used_bytes']!] as const,
      );
      const [a, b] = [total(points, ([x]) => x) / points.length, total(points, ([, y]) => y) / points.length];
      const slope = total(points, ([x, y]) => (x - a) * (y - b)) / total(points, ([x]) => (x - a) ** 2);
      const last = points.toSorted(([x], [y]) => x - y).at(-1)![1];
      const r = correlation(points);
      return {
        ...{ samples: points.length, last_bytes: last, memory_bytes: MEMORY_BYTES, bytes_per_hour: slope },
        correlation: Number.isNaN(r) ? null : r,
        hours_until_full: slope > 0 ? (MEMORY_BYTES - last) / slope : null,
      };
    },
  ).sort((x, y) => (y['bytes_per_hour'] as number) - (x['bytes_per_hour'] as number));
}

function powerSwing(jobId: string, seconds: number): Expected[] {
  return perDevice(ofJob(jobId), (mine) => {
    let widest = { ts: 0, low_watts: 0, high_watts: 0, swing_watts: -1 };
    for (const { sample } of mine.toSorted((a, b) => a.sample.us - b.sample.us)) {
      const near = mine
        .filter((one) => one.sample.us <= sample.us && one.sample.us >= sample.us - seconds * SECOND)
        .map((one) => one.sample.values['power_watts']!);
      const [low, high] = [Math.min(...near), Math.max(...near)];
      if (high - low > widest.swing_watts + 1e-9)
        widest = { ts: sample.us, low_watts: low, high_watts: high, swing_watts: high - low };
    }
    return widest;
  }).sort((a, b) => (b['swing_watts'] as number) - (a['swing_watts'] as number));
}

function histogram(jobId: string, column: string, bar: number): Expected[] {
  const known = withGauge(ofJob(jobId), column);
  const bars = Map.groupBy(known, ({ sample }) => Math.floor(sample.values[column]! / bar + 1e-9));
  return [...bars]
    .sort(([a], [b]) => a - b)
    .map(([number, mine]) => ({
      from_value: number * bar,
      to_value: (number + 1) * bar,
      gpu_hours: hours(timeOf(mine)),
      time_ratio: timeOf(mine) / timeOf(known),
    }));
}

function thirtySeconds(jobId: string, every: number): Expected[] {
  const known = withGauge(whole(ofJob(jobId)), SM);
  const phases = [...Map.groupBy(known, ({ sample }) => (sample.us / SECOND) % every).values()].map((mine) =>
    mine.map(sm),
  );
  const means = phases.map((levels) => total(levels, (level) => level) / levels.length);
  return [
    {
      ...{
        samples: known.length,
        phases: phases.length,
        mean: mean(known, SM),
        least_told: Math.min(...means),
        most_told: Math.max(...means),
      },
      ...{
        peak: Math.max(...known.map(sm)),
        least_peak_told: Math.min(...phases.map((levels) => Math.max(...levels))),
      },
    },
  ];
}

function events(jobId: string): Expected[] {
  const stays = STAYS.filter((stay) => stay.jobId === jobId);
  return EVENTS.filter(({ from, to, node, number }) =>
    stays.some((stay) => {
      const isThere =
        number === undefined ? deviceOf(stay.gpu).node === node : stay.gpu === DEVICES[number]!.gpu;
      return isThere && at(from) <= stay.endUs && at(to ?? from) > stay.startUs;
    }),
  )
    .toSorted((a, b) => a.from - b.from)
    .map(({ from, to, node, number, kind, code, subject }) => ({
      ...{
        ts: at(from),
        end_ts: to === undefined ? null : at(to),
        node,
        gpu: number === undefined ? null : DEVICES[number]!.gpu,
      },
      ...{ kind, code: code ?? null, subject: subject ?? null, text: `${kind} at ${from}` },
    }));
}

function pipes(jobId: string): Expected[] {
  return perDevice(ofJob(jobId), (mine) => ({
    sm_active_ratio: mean(mine, SM),
    ...Object.fromEntries(
      ['tensor', 'fp64', 'fp32', 'fp16', 'dram'].map((pipe) => [
        `${pipe}_of_sm`,
        integral(mine, `${pipe}_active_ratio`) / integral(mine, SM),
      ]),
    ),
  }));
}

const staysByDevice = (jobId: string): [string, ToldStay[]][] => [
  ...Map.groupBy(
    STAYS.filter((stay) => stay.jobId === jobId),
    ({ gpu }) => gpu,
  ),
];

function edges(jobId: string): Expected[] {
  return staysByDevice(jobId).map(([gpu, stays]) => {
    const [begin, end] = [stays[0]!.startUs, stays.at(-1)!.endUs];
    const active = ofJob(jobId)
      .filter((own) => own.sample.device.gpu === gpu && sm(own) >= 0.05)
      .map(({ sample }) => sample.us);
    const [first, last] = active.length === 0 ? [null, null] : [Math.min(...active), Math.max(...active)];
    return {
      ...{ ...deviceOf(gpu), begin_ts: begin, first_ts: first, last_ts: last, end_ts: end },
      first_light_seconds: first === null ? null : (first - begin) / SECOND,
      idle_tail_seconds: last === null ? null : (end - last) / SECOND,
    };
  });
}

function coverage(jobId: string): Expected[] {
  return staysByDevice(jobId)
    .map(([gpu, stays]) => {
      const owned = total(stays, ({ startUs, endUs }) => endUs - startUs);
      const mine = whole(ofJob(jobId)).filter(({ sample }) => sample.device.gpu === gpu);
      const what = <T>(value: T): T | null => (mine.length === 0 ? null : value);
      return {
        ...{
          ...deviceOf(gpu),
          owned_hours: hours(owned),
          samples: what(mine.length),
          seen_hours: what(hours(timeOf(mine))),
        },
        ...{
          seen_ratio: timeOf(mine) / owned,
          breaks: what(mine.filter(({ sample }) => sample.dtUs === 0).length),
        },
      };
    })
    .sort((a, b) => a.seen_ratio - b.seen_ratio || (a.gpu < b.gpu ? -1 : 1));
}

const of = (jobs: readonly string[], rows: (job: string) => readonly Expected[], given = {}): Case[] =>
  jobs.map((job) => ({ given: { job, ...given }, rows: () => rows(job) }));

/** Whole and shared, in turns; with a told part alone; with others. */
const PARTED = [HOSTILE, '4220', '4219'];

export const JOB_CASES: Readonly<Record<string, readonly Case[]>> = {
  'job-devices': of(['4217', '4218', '4221', '4300', '4400', ...PARTED], devices),
  'job-phases': [
    ...of(['4217', '4300', ...PARTED], (job) => phases(job, 60), { every: '1m' }),
    ...of(['4219'], (job) => phases(job, 30).slice(0, 2), { every: '30s', limit: '2' }),
  ],
  'job-rhythm': [
    ...of(['4217'], (job) => rhythm(job, 60, 180, 30, 3), {
      after: '60s',
      span: '2m',
      lags: '30',
      limit: '3',
    }),
    ...of([HOSTILE], (job) => rhythm(job, 520, 650, 9, 9), { after: '20s', span: '130s', lags: '9' }),
  ],
  'job-longest-idle': [
    ...of(['4217'], (job) => longestIdle(job, 6), { limit: '6' }),
    ...of(['4217', HOSTILE], (job) => longestIdle(job, 9, 0.5), { below: '0.5', limit: '9' }),
    ...of(PARTED, (job) => longestIdle(job)),
  ],
  'job-stragglers': of(['4217', HOSTILE], stragglers),
  'job-imbalance': of(['4217', ...PARTED], (job) => imbalance(job, 3), { every: '2m', limit: '3' }),
  'job-memory-creep': [
    ...of(['4217'], (job) => memoryCreep(job, 60), { after: '60s' }),
    ...of([HOSTILE, '4220'], (job) => memoryCreep(job, 500), { after: '0s' }),
  ],
  'job-power-swing': of(['4217', ...PARTED], (job) => powerSwing(job, 5), { within: '5s' }),
  'job-histogram': [
    ...of(['4217', HOSTILE, '4220'], (job) => histogram(job, SM, 0.05)),
    ...of([HOSTILE], (job) => histogram(job, SM, 0.1), { bar: '0.1' }),
    ...of(['4219'], (job) => histogram(job, 'power_watts', 10), { gauge: 'power_watts', bar: '10' }),
  ],
  'thirty-second-gauge': [
    ...of(['4217', ...PARTED], (job) => thirtySeconds(job, 30)),
    ...of(['4217'], (job) => thirtySeconds(job, 10), { every: '10s' }),
  ],
  'job-events': of(['4217', '4219', '4300', '4400', HOSTILE], events),
  'job-neighbours': [
    ...of(['4218'], () => [
      {
        ...{ ...deviceOf(DEVICES[0]!.gpu), job_id: '4219', from_ts: at(520), to_ts: at(700), seconds: 180 },
        ...{ own_share: 0.25, other_share: 0.5 },
      },
    ]),
    ...of([HOSTILE], () => [
      {
        ...{ ...deviceOf(DEVICES[3]!.gpu), job_id: '4221', from_ts: at(600), to_ts: at(640), seconds: 40 },
        ...{ own_share: null, other_share: null },
      },
    ]),
    ...of(['4217'], () => []),
  ],
  'job-pipes': of(['4217', '4218', ...PARTED], pipes),
  'job-edges': of(['4217', '4222', '4300', ...PARTED], edges),
  'job-coverage': of(['4217', '4222', '4300', ...PARTED], coverage),
};
