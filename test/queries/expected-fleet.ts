import {
  byDevice,
  hours,
  idleTime,
  integral,
  joulesOf,
  kwh,
  mean,
  percentile,
  SM,
  timeOf,
  total,
  withGauge,
  type Weighed,
} from './arithmetic.ts';
import type { Case, Expected } from './expected-jobs.ts';
import {
  ALL,
  at,
  COLLECTORS,
  DEVICES,
  ERRORS,
  EVENTS,
  FIGURES,
  HOUR,
  jobOf,
  JOBS,
  LATEST,
  NEXT_DAY,
  OPEN,
  MEMORY_BYTES,
  ownersOf,
  SAMPLES,
  samplesOf,
  SECOND,
  SPARE,
  STAYS,
  TEMPERATURES,
  type EventRow,
  type Sample,
} from './history.ts';

/** What queries about nodes, people and the fleet should answer, from the rows of the history and nothing else. */

const whole = (samples: readonly Sample[]): Weighed[] => samples.map((sample) => ({ sample, part: 1 }));
const iso = (seconds: number): string => new Date(at(seconds) / 1000).toISOString();
const text = (a: unknown, b: unknown): number => (String(a) < String(b) ? -1 : 1);
const NODES = ['n1', 'n2'];
const ofNode = (node: string, samples = SAMPLES): Sample[] =>
  samples.filter(({ device }) => device.node === node);
const isOwned = (sample: Sample): boolean => ownersOf(sample).length > 0;
const down = <T extends Expected>(rows: T[], ...columns: string[]): T[] =>
  rows.sort((a, b) => {
    for (const column of columns)
      if (a[column] !== b[column]) return (b[column] as number) - (a[column] as number);
    return 0;
  });
/** Device by device, since each has a counter of its own. */
const deviceJoules = (own: readonly Weighed[]): number => total([...byDevice(own).values()], joulesOf);

const nameOf = (jobId: string): string | null => (jobOf(jobId) === undefined ? null : `name of ${jobId}`);

function idleNow(second: number): Expected[] {
  const rows = DEVICES.flatMap((device): Expected[] => {
    const own = SAMPLES.filter((one) => one.device === device && one.us <= at(second));
    const newest = own.filter(({ us }) => us > at(second - 300)).at(-1);
    if (newest === undefined || !isOwned(newest) || (newest.values[SM] ?? 1) >= 0.05) return [];
    const owners = ownersOf(newest);
    // Of several owners no single one is named.
    const job = owners.length > 1 ? undefined : jobOf(owners[0]!.jobId);
    const active = own
      .filter(({ us, values }) => us > at(second - 6 * 3600) && (values[SM] ?? 0) >= 0.05)
      .at(-1);
    return [
      {
        ...{ node: device.node, gpu: device.gpu, owners: owners.length, job_id: job?.jobId ?? null },
        ...{
          user: job?.user ?? null,
          account: job?.account ?? null,
          name: job === undefined ? null : nameOf(job.jobId),
        },
        ...{ sm_active_ratio: newest.values[SM]!, power_watts: newest.values['power_watts']! },
        ...{
          last_active_ts: active?.us ?? null,
          idle_minutes: active === undefined ? null : (newest.us - active.us) / 60e6,
        },
      },
    ];
  });
  return down(rows, 'idle_minutes');
}

function runningJobs(second: number, user?: string): Expected[] {
  const live = STAYS.filter(({ startUs, endUs }) => startUs < at(second) && endUs >= at(second));
  return [...Map.groupBy(live, ({ jobId }) => jobId)]
    .filter(([jobId]) => user === undefined || jobOf(jobId)?.user === user)
    .map(([jobId, stays]) => {
      const own = samplesOf(jobId).filter(
        ({ sample }) => sample.us > at(second - 600) && sample.us <= at(second),
      );
      const gpus = new Set(stays.map(({ gpu }) => gpu));
      return {
        ...{
          job_id: jobId,
          user: jobOf(jobId)?.user ?? null,
          account: jobOf(jobId)?.account ?? null,
          name: nameOf(jobId),
        },
        ...{ begin_ts: Math.min(...stays.map(({ startUs }) => startUs)), devices: gpus.size },
        nodes: new Set(DEVICES.filter(({ gpu }) => gpus.has(gpu)).map(({ node }) => node)).size,
        ...{ sm_active_ratio: mean(own, SM), power_watts: mean(own, 'power_watts') },
      };
    })
    .sort((a, b) => a.begin_ts - b.begin_ts || text(a.job_id, b.job_id));
}

function coverage(samples = SAMPLES): Expected[] {
  return NODES.map((node) => {
    const own = ofNode(node, samples);
    const spans = [...byDevice(whole(own)).values()].map((mine) => {
      const first = mine[0]!.sample;
      return mine.at(-1)!.sample.us - first.us + first.dtUs;
    });
    const [seen, span] = [timeOf(whole(own)), total(spans, (us) => us)];
    return {
      ...{ node, devices: 2, samples: own.length, breaks: own.filter(({ dtUs }) => dtUs === 0).length },
      ...{ seen_hours: hours(seen), span_hours: hours(span), seen_ratio: seen / span },
    };
  }).sort((a, b) => a.seen_ratio - b.seen_ratio);
}

type By = 'user' | 'account' | 'jobId';
interface Group {
  readonly who: string | null;
  readonly jobs: readonly string[];
  readonly own: Weighed[];
}

/** The sampled jobs of each user, account, …, with their parts of samples. Whose some are nobody told. */
function groups(by: By, samples = SAMPLES): Group[] {
  const sampled = [...new Set(STAYS.map(({ jobId }) => jobId))].filter(
    (jobId) => samplesOf(jobId, samples).length > 0,
  );
  return [...Map.groupBy(sampled, (jobId) => (by === 'jobId' ? jobId : (jobOf(jobId)?.[by] ?? null)))].map(
    ([who, jobs]) => ({
      ...{ who, jobs, own: jobs.flatMap((jobId) => samplesOf(jobId, samples)) },
    }),
  );
}

function wasters(by: By, samples = SAMPLES): Expected[] {
  const rows = groups(by, samples).map(({ who, jobs, own }) => ({
    ...{ who, jobs: jobs.length, gpu_hours: hours(timeOf(own)) },
    unused_gpu_hours: hours(timeOf(withGauge(own, SM)) - integral(own, SM)),
    ...{ idle_gpu_hours: hours(idleTime(own)), sm_active_ratio: mean(own, SM) },
  }));
  return down(rows, 'unused_gpu_hours');
}

function energy(by: By, samples = SAMPLES): Expected[] {
  const rows = groups(by, samples).map(({ who, jobs, own }) => ({
    ...{ who, jobs: jobs.length, gpu_hours: hours(timeOf(own)), power_watts: mean(own, 'power_watts') },
    kwh: kwh(total(jobs, (jobId) => deviceJoules(samplesOf(jobId, samples)))),
  }));
  return down(rows, 'kwh');
}

function waterfall(account?: string, samples = SAMPLES): Expected[] {
  const rows = groups('user', samples).flatMap(({ who: user, jobs, own }): Expected[] => {
    const of = jobOf(jobs[0]!)?.account ?? null;
    if (account !== undefined && of !== account) return [];
    const known = timeOf(withGauge(own, SM));
    return [
      {
        ...{
          account: of,
          user,
          jobs: jobs.length,
          gpu_hours: hours(timeOf(own)),
          unknown_hours: hours(timeOf(own) - known),
        },
        ...{
          idle_hours: hours(idleTime(own)),
          active_unused_hours: hours(known - idleTime(own) - integral(own, SM)),
        },
        used_hours: hours(integral(own, SM)),
      },
    ];
  });
  return down(rows, 'gpu_hours');
}

const DAY = 24 * HOUR;
const bucketOf = (us: number, length: number): number => Math.floor(us / length) * length;
const byBucket = (samples: readonly Sample[], length: number): [number, Sample[]][] =>
  [...Map.groupBy(samples, ({ us }) => bucketOf(us, length))].sort(([a], [b]) => a - b);

function dayByGpu(node?: string, all = SAMPLES): Expected[] {
  return byBucket(all, DAY).flatMap(([day, samples]) =>
    NODES.filter((one) => node === undefined || one === node).map((one) => {
      const cells = Array.from({ length: 8 }, (_, index) => {
        const own = whole(ofNode(one, samples)).filter(({ sample }) => sample.device.index === index);
        return [`gpu${index}`, own.length === 0 ? null : mean(own, SM)];
      });
      return { day, node: one, ...(Object.fromEntries(cells) as Expected) };
    }),
  );
}

const eventsOf = (kind: string): EventRow[] =>
  EVENTS.filter((event) => event.kind === kind).toSorted((a, b) => a.from - b.from);

function aroundXids(seconds: number): Expected[] {
  return eventsOf('xid').map(({ from, node, number, code, jobId }) => {
    const own = whole(SAMPLES.filter(({ device }) => device.number === number));
    const before = own.filter(({ sample }) => sample.us > at(from - seconds) && sample.us <= at(from));
    const after = own.filter(({ sample }) => sample.us > at(from) && sample.us <= at(from + seconds));
    return {
      ...{ ts: at(from), node, gpu: DEVICES[number!]!.gpu, code: code!, job_id: jobId ?? null },
      ...{ sm_before_ratio: mean(before, SM), sm_after_ratio: mean(after, SM) },
      ...{ before_watts: mean(before, 'power_watts'), after_watts: mean(after, 'power_watts') },
    };
  });
}

function xids(node?: string): Expected[] {
  const own = eventsOf('xid').filter((event) => node === undefined || event.node === node);
  return [...Map.groupBy(own, (event) => `${event.node} ${event.code}`).values()]
    .map((same) => ({
      ...{
        node: same[0]!.node,
        code: same[0]!.code!,
        times: same.length,
        devices: new Set(same.map(({ number }) => number)).size,
      },
      jobs: new Set(same.flatMap(({ jobId }) => jobId ?? [])).size,
      ...{ first_ts: at(same[0]!.from), last_ts: at(same.at(-1)!.from) },
    }))
    .sort((a, b) => b.times - a.times || text(a.node, b.node) || a.code - b.code)
    .sort((a, b) => b.times - a.times || (a.node === b.node ? a.code - b.code : text(a.node, b.node)));
}

function jobsWithXid(): Expected[] {
  return eventsOf('xid').flatMap(({ from, node, number, code }) =>
    STAYS.filter(
      ({ gpu, startUs, endUs }) => gpu === DEVICES[number!]!.gpu && startUs < at(from) && at(from) <= endUs,
    )
      .sort((a, b) => text(a.jobId, b.jobId))
      .map(({ jobId }) => {
        const job = jobOf(jobId);
        return {
          ...{
            ts: at(from),
            node,
            gpu: DEVICES[number!]!.gpu,
            code: code!,
            job_id: jobId,
            user: job?.user ?? null,
          },
          ...{ account: job?.account ?? null, state: job?.state ?? null, exit_code: job?.exitCode ?? null },
          seconds_until_end: job?.to === undefined ? null : job.to - from,
        };
      }),
  );
}

/** The first twelve minutes. */
function powerP99(): Expected[] {
  const rows = NODES.map((node) => {
    const own = ofNode(node).filter(({ us }) => us > at(0) && us <= at(720));
    const fast = own.map(({ values, dtUs }) => [Math.floor(values['power_watts']!), dtUs] as const);
    const slow = [...byDevice(whole(own)).values()]
      .flatMap((mine) =>
        byBucket(
          mine.map(({ sample }) => sample),
          30 * SECOND,
        ),
      )
      .map(
        ([, samples]) => [Math.floor(mean(whole(samples), 'power_watts')!), timeOf(whole(samples))] as const,
      );
    const peak = Math.max(...own.map(({ values }) => values['power_watts']!));
    return {
      node,
      p99_watts: percentile(fast, 0.99),
      slow_p99_watts: percentile(slow, 0.99),
      peak_watts: peak,
    };
  });
  return down(rows, 'p99_watts');
}

/** A histogram has the samples that somebody owns. */
function percentiles(by: By, column: string, bar: number, samples = SAMPLES): Expected[] {
  const rows = groups(by, samples).map(({ who, own }) => {
    const known = withGauge(own, column);
    const bars = known.map(
      ({ sample, part }) =>
        [
          Math.trunc(bar < 1 ? sample.values[column]! * (1 / bar) : sample.values[column]! / bar),
          sample.dtUs * part,
        ] as const,
    );
    const at = (rank: number): number => percentile(bars, rank) * bar;
    return { who, gpu_hours: hours(timeOf(known)), p50: at(0.5), p95: at(0.95), p99: at(0.99) };
  });
  return down(rows, 'gpu_hours');
}

function fleetDays(all = SAMPLES): Expected[] {
  return byBucket(all, DAY).map(([day, samples]) => {
    const owned = whole(samples.filter(isOwned));
    return {
      ...{ day, devices: 4, gpu_hours: hours(timeOf(whole(samples))), owned_gpu_hours: hours(timeOf(owned)) },
      ...{
        owned_ratio: timeOf(owned) / timeOf(whole(samples)),
        sm_active_ratio: mean(owned, SM),
        kwh: kwh(deviceJoules(whole(samples))),
      },
    };
  });
}

function unownedEnergy(samples = SAMPLES): Expected[] {
  const rows = NODES.map((node) => {
    const own = whole(ofNode(node, samples).filter((sample) => !isOwned(sample)));
    return {
      node,
      devices: 2,
      gpu_hours: hours(timeOf(own)),
      kwh: kwh(deviceJoules(own)),
      power_watts: mean(own, 'power_watts'),
    };
  });
  return down(rows, 'kwh');
}

const average = (values: readonly number[]): number | null =>
  values.length === 0 ? null : total(values, (value) => value) / values.length;

function jobsBySize(account?: string): Expected[] {
  const ended = JOBS.filter(
    (job) => job.to !== undefined && (account === undefined || job.account === account),
  );
  const rows = [...Map.groupBy(ended, ({ gpus, state }) => `${gpus} ${state}`).values()].map((same) => {
    const lengths = same.map(({ from, to }) => (to! - from) / 3600);
    const waits = same.flatMap(({ from, submitted }) =>
      submitted === undefined ? [] : [(from - submitted) / 3600],
    );
    return {
      ...{
        gpus: same[0]!.gpus,
        state: same[0]!.state ?? null,
        runs: same.length,
        mean_hours: average(lengths),
        longest_hours: Math.max(...lengths),
      },
      ...{ gpu_hours: same[0]!.gpus * total(lengths, (length) => length), mean_wait_hours: average(waits) },
    };
  });
  return down(rows, 'gpu_hours');
}

/** Of a correction the newest row. */
function figuresOf(jobId: string): (typeof FIGURES)[number][] {
  const own = FIGURES.filter((row) => row['job_id'] === jobId);
  return [...Map.groupBy(own, (row) => row['gpu']).values()].map(
    (same) => same.toSorted((a, b) => b.written_ts - a.written_ts)[0]!,
  );
}
const summed = (jobId: string, column: string): number =>
  total(figuresOf(jobId), (row) => row[column] as number);

function failedJobs(): Expected[] {
  const rows = JOBS.filter(
    ({ to, state, exitCode }) =>
      to !== undefined && (state === undefined ? exitCode !== 0 : state !== 'COMPLETED'),
  ).map((job) => ({
    ...{
      job_id: job.jobId,
      run: job.run ?? 0,
      user: job.user,
      account: job.account,
      name: `name of ${job.jobId}`,
      state: job.state ?? null,
    },
    ...{ exit_code: job.exitCode ?? null, end_ts: at(job.to!), devices: figuresOf(job.jobId).length },
    ...{ gpu_hours: hours(summed(job.jobId, 'attributed_us')), kwh: kwh(summed(job.jobId, 'power_joules')) },
  }));
  return down(rows, 'gpu_hours');
}

/** The activity is the device's, where it was shared too. */
function userJobs(user: string): Expected[] {
  return JOBS.filter((job) => job.user === user && job.to !== undefined)
    .map((job) => {
      const figures = figuresOf(job.jobId).filter((row) => row['run'] === (job.run ?? 0));
      const own = figures.length === 0 ? [] : samplesOf(job.jobId);
      const shared = (column: string): number =>
        total(figures, (row) => (row[column] as number) * (row['share'] as number));
      const known = shared('sm_active_ratio_dt');
      const what = <T>(value: T): T | null => (figures.length === 0 ? null : value);
      return {
        ...{
          job_id: job.jobId,
          run: job.run ?? 0,
          name: `name of ${job.jobId}`,
          account: job.account,
          state: job.state ?? null,
        },
        ...{
          begin_ts: at(job.from),
          end_ts: at(job.to!),
          devices: what(figures.length),
          gpu_hours: what(hours(timeOf(own))),
        },
        sm_active_ratio: what(shared('sm_active_ratio_dtsum') / known),
        ...{ idle_ratio: what(idleTime(own) / known), kwh: what(kwh(deviceJoules(own))) },
      };
    })
    .sort((a, b) => b.end_ts - a.end_ts);
}

function gaps(): Expected[] {
  const own = EVENTS.filter(({ kind }) => ['gap', 'drop'].includes(kind));
  const rows = [...Map.groupBy(own, ({ node, kind }) => `${node} ${kind}`).values()].map((same) => {
    const lengths = same.map(({ from, to }) => to! - from);
    return {
      ...{
        node: same[0]!.node,
        kind: same[0]!.kind,
        times: same.length,
        devices: new Set(same.flatMap(({ number }) => number ?? [])).size,
      },
      ...{
        seconds: total(lengths, (length) => length),
        longest_seconds: Math.max(...lengths),
        last_ts: at(Math.max(...same.map(({ from }) => from))),
      },
    };
  });
  return down(rows, 'seconds');
}

function collectors(second: number): Expected[] {
  const known = COLLECTORS.filter(({ ts }) => ts <= at(second));
  const newest = [...Map.groupBy(known, ({ node }) => node).values()].map(
    (same) => same.toSorted((a, b) => b.ts - a.ts)[0]!,
  );
  const rows = newest.map((row) => {
    const cell = (column: string): string | number | null => row[column] ?? null;
    return {
      ...{
        node: row.node,
        lane: row.lane,
        version: cell('version'),
        age_seconds: (at(second) - row.ts) / SECOND,
        cpu_ratio: cell('cpu_ratio'),
      },
      ...{
        rss_bytes: cell('rss_bytes'),
        held_rows: cell('held_rows'),
        spooled_rows: cell('spooled_rows'),
        refused_rows: cell('refused_rows'),
      },
      ...{ dropped_rows: cell('dropped_rows'), late_ticks: null, sample_ms_max: null },
      oldest_unsent_seconds:
        row['oldest_unsent_ms'] === undefined ? null : Number(row['oldest_unsent_ms']) / 1000,
    };
  });
  return down(rows, 'age_seconds');
}

/** What the reports of the history say of each node, within a window that ends at a second of it: told by hand. */
const sent = (
  node: string,
  silent: number,
  ...[sampled = null, acknowledged = null, waiting = null, lost = null]: (number | null)[]
): Expected => ({
  ...{ node, silent_seconds: silent, sampled_rows: sampled, acknowledged_rows: acknowledged },
  ...{ waiting_rows: waiting, lost_rows: lost },
});

/** Within (from, to], seconds of the history. */
function throttled(from: number, to: number): Expected[] {
  const own = eventsOf('throttle').filter(
    (event) => event.from <= to && (event.to === undefined || event.to > from),
  );
  const rows = [...Map.groupBy(own, ({ node, subject }) => `${node} ${subject}`).values()].map((same) => ({
    ...{
      node: same[0]!.node,
      reason: same[0]!.subject!,
      times: same.length,
      devices: new Set(same.map(({ number }) => number)).size,
    },
    seconds: total(same, (event) => Math.min(event.to ?? to, to) - Math.max(event.from, from)),
  }));
  return down(rows, 'seconds');
}

function inventory(node?: string): Expected[] {
  return [...DEVICES, SPARE]
    .filter((device) => node === undefined || device.node === node)
    .map((device) => {
      const own = SAMPLES.filter((sample) => sample.device === device);
      return {
        ...{
          cluster: 'alpha',
          node: device.node,
          gpu_index: device.index,
          gpu: device.gpu,
          model: 'H200',
          memory_bytes: MEMORY_BYTES,
        },
        ...{ mig_profile: null, driver: '580.2', source: 'synthetic', told_ts: at(-60) },
        last_sample_ts: own.at(-1)?.us ?? null,
      };
    });
}

const CELSIUS = 'gpu_temp_celsius';

function hottest(samples = TEMPERATURES): Expected[] {
  const rows = [...byDevice(whole(samples))].map(([gpu, own]) => ({
    ...{
      node: own[0]!.sample.device.node,
      gpu,
      max_celsius: Math.max(...own.map(({ sample }) => sample.values[CELSIUS]!)),
    },
    ...{ mean_celsius: mean(own, CELSIUS), hours: hours(timeOf(own)) },
  }));
  return down(rows, 'max_celsius');
}

function memoryErrors(): Expected[] {
  const rows = [...byDevice(whole(ERRORS))].map(([gpu, own]) => {
    const rise = (column: string): number => {
      const values = own.map(({ sample }) => sample.values[column]!);
      return Math.max(...values) - Math.min(...values);
    };
    return {
      ...{
        node: own[0]!.sample.device.node,
        gpu,
        corrected: rise('ecc_sbe_aggregate_total'),
        uncorrected: rise('ecc_dbe_aggregate_total'),
      },
      remapped_correctable: rise('remapped_rows_correctable_total'),
      remapped_uncorrectable: rise('remapped_rows_uncorrectable_total'),
    };
  });
  return down(
    rows.filter((row) => Object.values(row).some((value) => typeof value === 'number' && value > 0)),
    ...['uncorrected', 'remapped_uncorrectable', 'corrected'],
  );
}

function hourOfDay(all = SAMPLES): Expected[] {
  return [...Map.groupBy(all, ({ us }) => new Date(us / 1000).getUTCHours())]
    .sort(([a], [b]) => a - b)
    .map(([hour, samples]) => {
      const owned = whole(samples.filter(isOwned));
      const seen = timeOf(whole(samples));
      return {
        hour,
        gpu_hours: hours(seen),
        owned_ratio: timeOf(owned) / seen,
        sm_active_ratio: mean(owned, SM),
      };
    });
}

function idleBesideQueue(all = SAMPLES): Expected[] {
  return byBucket(all, HOUR).map(([ts, samples]) => {
    const waiting = JOBS.filter(
      ({ from, submitted }) => submitted !== undefined && at(submitted) < ts + HOUR && at(from) > ts,
    );
    return {
      ...{
        ts,
        idle_gpu_hours: hours(idleTime(whole(samples.filter(isOwned)))),
        free_gpu_hours: hours(timeOf(whole(samples.filter((one) => !isOwned(one))))),
      },
      ...{ waiting_jobs: waiting.length, waiting_gpus: total(waiting, ({ gpus }) => gpus) },
    };
  });
}

function deviceOwners(number: number, from: number, to: number): Expected[] {
  const stays = STAYS.filter(
    (stay) => stay.gpu === DEVICES[number]!.gpu && stay.startUs < at(to) && stay.endUs > at(from),
  );
  return stays
    .map(({ jobId, startUs, endUs, share }) => {
      const job = jobOf(jobId);
      return {
        ...{
          begin_ts: startUs,
          end_ts: endUs === OPEN ? null : endUs,
          node: DEVICES[number]!.node,
          job_id: jobId,
          run: job?.run ?? 0,
        },
        ...{
          user: job?.user ?? null,
          account: job?.account ?? null,
          name: nameOf(jobId),
          share: share ?? null,
        },
      };
    })
    .sort((a, b) => a.begin_ts - b.begin_ts);
}

/** Buckets that hold the ends of a window count whole. */
const inBuckets = (from: number, to: number, length: number, samples = SAMPLES): Sample[] =>
  samples.filter(
    ({ us }) => bucketOf(us, length) >= bucketOf(at(from), length) && bucketOf(us, length) < at(to),
  );
/** From within an hour to the very end of another. */
const PART = { from: iso(NEXT_DAY + 1800), to: iso(NEXT_DAY + 7200) };
const partHours = (): Sample[] => inBuckets(NEXT_DAY + 1800, NEXT_DAY + 7200, HOUR);
/** From noon to midnight. */
const HALF_DAY = { from: '2024-09-02T12:00', to: '2024-09-03' };
const halfDay = (): Sample[] => SAMPLES.filter(({ us }) => us < at(14 * 3600));

const window = { ...ALL };
const USERS = [...new Set(JOBS.map(({ user }) => user))];

export const FLEET_CASES: Readonly<Record<string, readonly Case[]>> = {
  'idle-now': [20, 250, 350, 450, 650, 690].map((second) => ({
    given: { at: iso(second) },
    rows: () => idleNow(second),
  })),
  'running-jobs': [
    ...[350, 500.5, 600, 630, LATEST].map((second) => ({
      given: { at: iso(second) },
      rows: () => runningJobs(second),
    })),
    { given: { at: iso(600), user: 'eve' }, rows: () => runningJobs(600, 'eve') },
    { given: { at: iso(600), user: `o'neil; --` }, rows: () => runningJobs(600, `o'neil; --`) },
  ],
  'coverage-per-node': [
    { given: window, rows: coverage },
    { given: PART, rows: () => coverage(partHours()) },
  ],
  'top-wasters': [
    { given: window, rows: () => wasters('account') },
    { given: { ...window, by: 'user', limit: '3' }, rows: () => wasters('user').slice(0, 3) },
    { given: { ...window, by: 'job' }, rows: () => wasters('jobId') },
    { given: { ...PART, by: 'user' }, rows: () => wasters('user', partHours()) },
  ],
  'energy-by-owner': [
    { given: { ...window, by: 'account' }, rows: () => energy('account') },
    { given: { ...window, by: 'job' }, rows: () => energy('jobId') },
    { given: { ...PART, by: 'user' }, rows: () => energy('user', partHours()) },
  ],
  'day-by-gpu': [
    { given: window, rows: () => dayByGpu() },
    { given: { ...window, node: 'n2' }, rows: () => dayByGpu('n2') },
    { given: HALF_DAY, rows: () => dayByGpu(undefined, halfDay()) },
  ],
  'around-an-event': [
    { given: window, rows: () => aroundXids(30) },
    { given: { ...window, kind: "x' OR kind = 'xid" }, rows: () => [] },
  ],
  'xids-per-node': [
    { given: window, rows: () => xids() },
    { given: { ...window, node: 'n1' }, rows: () => xids('n1') },
  ],
  'jobs-with-xid': [{ given: window, rows: jobsWithXid }],
  'account-waterfall': [
    { given: window, rows: () => waterfall() },
    { given: { ...window, account: 'chemistry' }, rows: () => waterfall('chemistry') },
    { given: PART, rows: () => waterfall(undefined, partHours()) },
  ],
  'power-p99': [{ given: { from: iso(0), to: iso(720) }, rows: powerP99 }],
  'gauge-percentiles': [
    { given: { ...window, by: 'user' }, rows: () => percentiles('user', SM, 0.01) },
    {
      given: { ...window, by: 'job', gauge: 'power_watts' },
      rows: () => percentiles('jobId', 'power_watts', 5),
    },
    { given: { ...PART, by: 'account' }, rows: () => percentiles('account', SM, 0.01, partHours()) },
  ],
  'fleet-days': [
    { given: window, rows: fleetDays },
    { given: HALF_DAY, rows: () => fleetDays(halfDay()) },
  ],
  'unowned-energy': [
    { given: window, rows: unownedEnergy },
    { given: PART, rows: () => unownedEnergy(partHours()) },
  ],
  'jobs-by-size': [
    { given: window, rows: () => jobsBySize() },
    { given: { ...window, account: 'physics' }, rows: () => jobsBySize('physics') },
  ],
  'failed-jobs': [{ given: window, rows: failedJobs }],
  'user-jobs': USERS.map((user) => ({ given: { ...window, user }, rows: () => userJobs(user) })),
  gaps: [{ given: window, rows: gaps }],
  collectors: [
    { given: { at: iso(720) }, rows: () => collectors(720) },
    { given: { at: iso(702) }, rows: () => collectors(702) },
  ],
  'sent-lately': [
    { given: { at: iso(720) }, rows: () => [sent('n2', 15, 40, 30), sent('n1', 10, 80, 70, 7, 5)] },
    { given: { at: iso(702) }, rows: () => [sent('n2', 52, 0, 0), sent('n1', 2, 0, 0, 3, 0)] },
    {
      given: { at: iso(720), within: '1m' },
      rows: () => [sent('n2', 15, 0, 0), sent('n1', 10, 80, 70, 7, 5)],
    },
    { given: { at: iso(LATEST) }, rows: () => [sent('n1', 600), sent('n2', 600)] },
    // Nobody was started in that second, and no day began.
    { given: { at: iso(LATEST), back: '1s' }, rows: () => [] },
  ],
  throttled: [{ given: { from: iso(0), to: iso(720) }, rows: () => throttled(0, 720) }],
  'device-owners': [
    { given: { device: DEVICES[0]!.gpu, ...window }, rows: () => deviceOwners(0, -1000, LATEST + 1000) },
    {
      given: { device: DEVICES[0]!.gpu, from: iso(480), to: iso(520) },
      rows: () => deviceOwners(0, 480, 520),
    },
    { given: { device: DEVICES[2]!.gpu, ...window }, rows: () => deviceOwners(2, -1000, LATEST + 1000) },
  ],
  inventory: [
    { given: { at: ALL.to }, rows: () => inventory() },
    { given: { node: 'n1', at: iso(LATEST), back: '3d' }, rows: () => inventory('n1') },
  ],
  'hottest-devices': [
    { given: window, rows: () => hottest() },
    { given: PART, rows: () => [] },
  ],
  'memory-errors': [
    { given: window, rows: memoryErrors },
    { given: PART, rows: () => [] },
  ],
  'hour-of-day': [
    { given: window, rows: hourOfDay },
    { given: PART, rows: () => hourOfDay(partHours()) },
  ],
  'idle-beside-queue': [
    { given: window, rows: idleBesideQueue },
    { given: PART, rows: () => idleBesideQueue(partHours()) },
  ],
};
