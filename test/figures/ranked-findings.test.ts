/**
 * Goal: what a finding costs is time that was seen, and no time is in two findings; the gravest come first; commands are for the
 * scheduler that ran the job. Method: facts made by hand around each limit, and many that are drawn.
 */
import { describe, expect, test } from 'vitest';
import { CAUSES, type Cause } from '../../src/core/analysis/causes.ts';
import type { ContextSpan } from '../../src/core/analysis/contexts.ts';
import { FINDING_LIMITS, USUAL_FINDING_LIMITS } from '../../src/core/analysis/finding-limits.ts';
import { createRandom } from '../../src/core/synthetic/random.ts';
import { NO_ANALYSIS } from '../../src/figures/job/analysis/analyse.ts';
import type { Slowest } from '../../src/figures/job/analysis/figures.ts';
import type { JobCauses } from '../../src/figures/job/causes/figures.ts';
import type { Finding, JobDevice, JobEvent, JobFacts, JobGauge } from '../../src/figures/job/figures.ts';
import { findingsOf } from '../../src/figures/job/findings/find.ts';
import { rulesNotTold } from '../../src/figures/job/findings/not-told.ts';
import type { GaugeKey } from '../../src/figures/gauges.ts';
import { findingJson } from '../../src/report/finding-json.ts';
import { findingLines } from '../../src/report/finding-lines.ts';
import { findingText } from '../../src/report/finding-text.ts';
import { device, gauge, GIB, HOUR, job, level, SECOND, type JobChanges } from './made-facts.ts';

const MIN = 60 * SECOND;

type Parts = Readonly<Partial<Record<Cause, number>>>;

/** What is not named is effective. */
function causesOf(
  devices: readonly JobDevice[],
  parts: readonly Parts[],
  changes: Partial<JobCauses> = {},
): JobCauses {
  const own = devices.map(({ gpu, ownedUs }, at) => {
    const named = parts[at] ?? {};
    const sum = Object.values(named).reduce((us, part) => us + part, 0);
    const all: Parts = { ...named, effective: ownedUs - sum };
    const causes = new Map(
      CAUSES.flatMap((cause) =>
        (all[cause] ?? 0) > 0 ? [[cause, { us: all[cause]!, joules: undefined }] as const] : [],
      ),
    );
    const us = all.waiting ?? 0;
    return { gpu, causes, waiting: us > 0 ? { leastUs: us / 2, mostUs: 2 * us } : undefined };
  });
  const total = CAUSES.flatMap((cause) => {
    const us = own.reduce((sum, { causes }) => sum + (causes.get(cause)?.us ?? 0), 0);
    return us > 0 ? [[cause, { us, joules: undefined }] as const] : [];
  });
  return {
    origin: 'samples',
    isCut: false,
    isKept: false,
    causes: new Map(total),
    waiting: undefined,
    devices: own,
    contexts: [],
    ...changes,
  };
}

/** A job of two GPUs, each of an hour, whose time went so on both. */
function jobWith(parts: Parts, contexts: readonly ContextSpan[] = [], changes: JobChanges = {}): JobFacts {
  const engine = { engineActive: gauge(0.9, 1) };
  const devices = [0, 1].map((at) => ({ ...device(at), gauges: { ...device(at).gauges, ...engine } }));
  return job(devices, { causes: causesOf(devices, [parts, parts], { contexts }), ...changes });
}

const found = (facts: JobFacts): Finding | undefined => findingsOf(facts)[0];
const rulesOf = (facts: JobFacts): string[] => findingsOf(facts).map(({ rule }) => rule);

/** A mean over two GPUs and an hour. */
function jobGauge(key: GaugeKey, value: number, knownUs = 2 * HOUR): JobGauge {
  const mean = { value, unit: 'ratio' as const, knownUs };
  return {
    key,
    mean,
    min: undefined,
    max: mean,
    p50: undefined,
    p95: undefined,
    spread: undefined,
    series: [],
  };
}

describe('rules on where the time went', () => {
  const head = (us: number): ContextSpan => ({ context: 'head', fromUs: 1, toUs: us + 1 });

  test('an idle head from five minutes on, or a minute and a tenth of the job', () => {
    const after = (us: number, changes: JobChanges = {}): JobFacts =>
      jobWith({ idleHead: us }, [head(us)], changes);
    expect(rulesOf(after(299 * SECOND))).toEqual([]);
    expect(found(after(300 * SECOND))).toMatchObject({
      ...{ rule: 'idle-head', fromUs: 0, toUs: 5 * MIN, lostGpuUs: 10 * MIN, confidence: 'samples' },
      gpus: ['GPU-0', 'GPU-1'],
    });
    expect(findingText(found(after(300 * SECOND))!)).toBe(
      'no GPU did anything for the first 5 min (until 00:05:00; 8 % of its time): what was it waiting for?',
    );
    expect(rulesOf(after(60 * SECOND, { endUs: 10 * MIN }))).toEqual(['idle-head']);
    expect(rulesOf(after(60 * SECOND, { endUs: 10 * MIN + SECOND }))).toEqual([]);
    expect(rulesOf(after(59 * SECOND, { endUs: 5 * MIN }))).toEqual([]);
    // One that never did anything is told of otherwise.
    expect(rulesOf(jobWith({ idleHead: HOUR }, [head(HOUR)]))).toEqual([]);
  });

  test('a head that was not seen is nobody’s', () => {
    const facts = jobWith({ idleHead: 20 * MIN }, [head(20 * MIN)]);
    const gap = (us: number): JobFacts => ({ ...facts, gaps: [{ gpu: 'GPU-1', fromUs: 0, toUs: us }] });
    expect(rulesOf(gap(MIN))).toEqual(['idle-head']);
    expect(rulesOf(gap(MIN + SECOND))).toEqual([]);
    expect(rulesOf({ ...facts, gaps: undefined })).toEqual([]);
    expect(rulesOf({ ...facts, unplacedGaps: { count: 1, us: 2 * MIN } })).toEqual([]);
    const blank = facts.devices.map((one) => ({ ...one, gauges: { smActive: one.gauges.smActive! } }));
    expect(rulesOf({ ...facts, devices: blank })).toEqual([]);
  });

  test('no progress, with when, and what to type while it is so', () => {
    const hang = (fromUs: number, toUs: number): ContextSpan => ({ context: 'hang', fromUs, toUs });
    const parts = { hang: 20 * MIN };
    const ended = jobWith(parts, [hang(10 * MIN, 15 * MIN), hang(20 * MIN, 35 * MIN)]);
    expect(found(ended)).toMatchObject({
      rule: 'hang',
      fromUs: 20 * MIN,
      toUs: 35 * MIN,
      lostGpuUs: 40 * MIN,
    });
    expect(found(ended)!.command).toBeUndefined();
    expect(findingText(found(ended)!)).toMatch(
      /^no progress for 15 min from 00:20:00, and 1 more such times: /,
    );
    const open = jobWith({ hang: 10 * MIN }, [hang(50 * MIN, HOUR)], { isOpen: true });
    expect(found(open)!.command).toBe('scancel --signal=ABRT 1');
    expect(findingText(found(open)!)).toMatch(/^no progress since 00:50:00 \(10 min\): /);
    const over = jobWith({ hang: 10 * MIN }, [hang(40 * MIN, 50 * MIN)], { isOpen: true });
    expect(found(over)!.command).toBeUndefined();
  });

  test('pauses from a twentieth of the time that was seen, unless they are told as dips', () => {
    expect(rulesOf(jobWith({ pause: 2.99 * MIN }))).toEqual([]);
    expect(found(jobWith({ pause: 3 * MIN }))).toMatchObject({ rule: 'pauses', lostGpuUs: 6 * MIN });
    expect(rulesOf(jobWith({ pause: 1.5 * MIN, notSeen: 30 * MIN }))).toEqual(['pauses']);
    const dips = {
      ...{ count: 3, lengthUs: MIN, periodUs: 10 * MIN, timeRatio: 0.04 },
      floor: level(0, 'ratio'),
    };
    // Dips of four hundredths of the time are not blamed for all pauses.
    expect(found(jobWith({ pause: 6 * MIN }, [], { dips }))).toMatchObject({
      ...{ rule: 'dips', lostGpuUs: 0.04 * 2 * HOUR },
    });
    expect(rulesOf(jobWith({ pause: 6 * MIN }, [], { dips }))).toEqual(['dips']);
  });

  test('gaps between kernels from 15 % of the time that was seen', () => {
    expect(rulesOf(jobWith({ gaps: 8.99 * MIN }))).toEqual([]);
    expect(found(jobWith({ gaps: 9 * MIN }))).toMatchObject({ rule: 'kernel-gaps', lostGpuUs: 18 * MIN });
    expect(rulesOf(jobWith({ gaps: 6 * MIN, notSeen: 20 * MIN }))).toEqual(['kernel-gaps']);
  });

  test('by minutes where the causes are', () => {
    const facts = jobWith({ gaps: 9 * MIN });
    const minutes = { ...(facts.causes as JobCauses), origin: 'minutes' as const };
    expect(found({ ...facts, causes: minutes })!.confidence).toBe('minutes');
    expect(found({ ...facts, origin: 'rollups' })!.confidence).toBe('minutes');
  });

  test('nothing where the causes are not told, and that once', () => {
    const facts = job([device(0)], { causes: { why: 'no_engine' } });
    expect(rulesOf(facts)).toEqual([]);
    expect(rulesNotTold(facts, USUAL_FINDING_LIMITS).map(({ rule }) => rule)).toEqual([
      ...['hang', 'idle-head', 'pauses', 'kernel-gaps'],
    ]);
    const lines = findingLines(
      { ...facts, findings: [], rulesNotTold: rulesNotTold(facts, USUAL_FINDING_LIMITS) },
      100,
    );
    // It is told beside the causes, which there are none of.
    expect(lines).toEqual([]);
    expect(rulesNotTold(job([device(0)]), USUAL_FINDING_LIMITS)).toEqual([]);
    expect(
      rulesNotTold(job([], { of: { samples: 0 }, causes: { why: 'no_engine' } }), USUAL_FINDING_LIMITS),
    ).toEqual([]);
  });
});

describe('rules on pipes', () => {
  const low = (engine: number, sm: number, lowUs = 30 * MIN): JobFacts =>
    jobWith({ low: lowUs }, [], { gauges: [jobGauge('engineActive', engine), jobGauge('smActive', sm)] });

  test('few SMs while nvidia-smi says busy', () => {
    expect(found(low(0.97, 0.11))).toMatchObject({ rule: 'low-occupancy', lostGpuUs: HOUR });
    expect(findingText(found(low(0.97, 0.11))!)).toMatch(
      /^some kernel ran for 97 % of the time, which nvidia-smi calls utilization, but on the mean 11 % of the SMs/,
    );
    expect(rulesOf(low(0.79, 0.11))).toEqual([]);
    expect(rulesOf(low(0.97, 0.25))).toEqual([]);
    // Something else than small kernels: a hang, or waiting.
    expect(rulesOf(low(0.97, 0.11, 14 * MIN))).toEqual([]);
    const known = (us: number): JobFacts =>
      jobWith({ low: 30 * MIN }, [], {
        gauges: [jobGauge('engineActive', 1, us), jobGauge('smActive', 0.1)],
      });
    expect(rulesOf(known(1.9 * HOUR))).toEqual(['low-occupancy']);
    expect(rulesOf(known(1.89 * HOUR))).toEqual([]);
    expect(rulesNotTold(known(1.89 * HOUR), USUAL_FINDING_LIMITS)).toEqual([
      { rule: 'low-occupancy', lacks: ['engineActive'] },
    ]);
  });

  const flat = (
    sm: number,
    tensor: number | undefined,
    fp32: number | undefined,
    model = 'NVIDIA A100-SXM4-80GB',
  ): JobFacts =>
    job(
      [
        { ...device(0), model },
        { ...device(1), model },
      ],
      {
        gauges: [
          jobGauge('smActive', sm),
          ...(tensor === undefined ? [] : [jobGauge('tensorActive', tensor)]),
        ],
        of: { smShares: fp32 === undefined ? {} : { fp32: level(fp32 / sm, 'ratio') } },
      },
    );

  test('FP32 work beside tensor cores that rest', () => {
    expect(found(flat(0.6, 0.019, 0.15))).toMatchObject({ rule: 'no-tensor', lostGpuUs: undefined });
    for (const facts of [flat(0.59, 0.01, 0.3), flat(0.8, 0.02, 0.3), flat(0.8, 0.01, 0.14)])
      expect(rulesOf(facts)).toEqual([]);
    expect(rulesOf(flat(0.8, 0.01, 0.3, 'Tesla V100-SXM2-32GB'))).toEqual([]);
    expect(rulesOf(flat(0.8, 0.01, 0.3, 'NVIDIA Something New'))).toEqual([]);
  });

  test('what is not recorded is told once, and only where the rule might have spoken', () => {
    const told = (facts: JobFacts): unknown => rulesNotTold(facts, USUAL_FINDING_LIMITS);
    expect(told(flat(0.8, undefined, 0.3))).toEqual([{ rule: 'no-tensor', lacks: ['tensorActive'] }]);
    expect(told(flat(0.8, 0.01, undefined))).toEqual([{ rule: 'no-tensor', lacks: ['fp32'] }]);
    expect(told(flat(0.8, 0.4, undefined))).toEqual([]);
    expect(told(flat(0.5, undefined, undefined))).toEqual([]);
    expect(told(flat(0.8, undefined, undefined, 'Tesla V100-SXM2-32GB'))).toEqual([]);
    const lines = findingLines(
      {
        ...flat(0.8, 0, 0),
        findings: [],
        rulesNotTold: [{ rule: 'no-tensor', lacks: ['tensorActive', 'fp32'] }],
      },
      100,
    );
    expect(lines).toEqual(['', '  not told: no-tensor (not recorded: tensor active, FP32 active)']);
  });

  test('the power limit from a fifth of the time on, as far as it was seen', () => {
    const event = (fromUs: number, endUs?: number): JobEvent => ({
      ...{ tsUs: fromUs, node: 'n1', gpu: 'GPU-0', kind: 'throttle', subject: 'sw_power_cap', text: '' },
      ...(endUs === undefined ? {} : { endUs }),
    });
    const capped = (events: readonly JobEvent[], lastSampleUs = HOUR): JobFacts =>
      job([{ ...device(0, { events }), lastSampleUs }, device(1)]);
    expect(rulesOf(capped([event(0, 11.9 * MIN)]))).toEqual([]);
    expect(found(capped([event(0, 12 * MIN)]))).toMatchObject({ rule: 'power-cap', gpus: ['GPU-0'] });
    expect(rulesOf(capped([event(0, 10 * MIN), event(5 * MIN, 11 * MIN)]))).toEqual([]);
    expect(rulesOf(capped([event(30 * MIN)]))).toEqual(['power-cap']);
    expect(rulesOf(capped([event(30 * MIN)], 40 * MIN))).toEqual([]);
    expect(rulesOf(capped([{ ...event(0, HOUR), subject: 'hw_thermal_slowdown' }]))).toEqual([]);
  });
});

const slowest: Slowest = {
  ...{ gpu: 'GPU-0', kind: 'computes_longest', deviceCount: 4, ratio: 0.9, othersRatio: 0.7, leads: 1 },
  ...{ why: 'device', lostUsMax: HOUR, linkErrors: 0, pcieLanes: undefined },
} as const;

describe('what a finding costs', () => {
  test('of a straggler the least that the others can have waited, and no more than can be', () => {
    const facts = (changes: Partial<Slowest> = {}): JobFacts =>
      jobWith({ waiting: 20 * MIN }, [], {
        analysis: { ...NO_ANALYSIS, slowest: { ...slowest, ...changes } },
      });
    expect(found(facts())).toMatchObject({ rule: 'computes-longest', lostGpuUs: 10 * MIN });
    expect(found(facts({ lostUsMax: 4 * MIN }))!.lostGpuUs).toBe(4 * MIN);
    expect(found(facts({ kind: 'fed_late', lostUsMax: undefined }))!.lostGpuUs).toBe(10 * MIN);
  });

  test('of unused GPUs all that was seen of them, and nothing of it again', () => {
    const devices = [device(0), device(1, { sm: gauge(0.001, 0.01), idleUs: HOUR })];
    const causes = causesOf(devices, [
      { idleTail: 20 * MIN },
      { deviceIdle: 30 * MIN, idleTail: 20 * MIN, notSeen: 10 * MIN },
    ]);
    const findings = findingsOf(job(devices, { causes, of: { lastActiveUs: 40 * MIN } }));
    expect(findings.map(({ rule, lostGpuUs }) => [rule, lostGpuUs])).toEqual([
      ['unused', 50 * MIN],
      ['idle-tail', 20 * MIN],
    ]);
  });

  test('of idleness what no other finding is blamed for', () => {
    const devices = [device(0, { idleUs: 40 * MIN })];
    const causes = causesOf(devices, [{ idleTail: 25 * MIN, gaps: 5 * MIN, pause: 20 * MIN }]);
    const facts = job(devices, { causes, of: { lastActiveUs: 35 * MIN } });
    const told = new Map(findingsOf(facts).map(({ rule, lostGpuUs }) => [rule, lostGpuUs]));
    expect(told).toEqual(
      new Map([
        ['idle-tail', 25 * MIN],
        ['pauses', 20 * MIN],
        ['idle', undefined],
      ]),
    );
    const alone = job(devices, { causes: causesOf(devices, [{ gaps: 5 * MIN, deviceIdle: 25 * MIN }]) });
    expect(findingsOf(alone).map(({ lostGpuUs }) => lostGpuUs)).toEqual([30 * MIN]);
  });

  test('without causes what is known of idleness', () => {
    const devices = [device(0, { idleUs: 40 * MIN }), device(1, { sm: gauge(0, 0.01), idleUs: HOUR })];
    const costs = findingsOf(job(devices)).map(({ rule, lostGpuUs }) => [rule, lostGpuUs]);
    expect(costs).toEqual([
      ['unused', HOUR],
      ['idle', 40 * MIN],
    ]);
  });

  test('of whatever was drawn no time twice, and none that nobody saw', () => {
    for (let seed = 0; seed < 2000; seed += 1) {
      const facts = drawn(seed);
      const causes = facts.causes as JobCauses;
      const findings = findingsOf(facts);
      const lost = findings.map(({ lostGpuUs }) => lostGpuUs ?? 0);
      const sumOf = (wanted: (cause: Cause) => boolean): number =>
        [...causes.causes].reduce((us, [cause, one]) => us + (wanted(cause) ? one.us : 0), 0);
      const seenUs = sumOf((cause) => cause !== 'notSeen');
      const sumUs = lost.reduce((a, b) => a + b, 0);
      expect(sumUs, `seed ${seed}`).toBeLessThanOrEqual(seenUs + 1e-3);
      // Work that was done by devices that were used is no loss.
      const unused = new Set(findings.flatMap((one) => (one.rule === 'unused' ? one.gpus : [])));
      const effectiveUs = causes.devices
        .filter(({ gpu }) => !unused.has(gpu))
        .reduce((us, one) => us + (one.causes.get('effective')?.us ?? 0), 0);
      expect(sumUs, `seed ${seed}`).toBeLessThanOrEqual(seenUs - effectiveUs + 1e-3);
      expect(lost.every((us) => us >= 0)).toBe(true);
      const faults = findings.filter(({ rule }) => ['xid', 'out-of-memory', 'no-data'].includes(rule)).length;
      expect(lost.slice(faults)).toEqual(lost.slice(faults).toSorted((a, b) => b - a));
    }
  });
});

/** A job of some devices with causes of any kind, and with whatever makes rules speak. */
function drawn(seed: number): JobFacts {
  const random = createRandom(seed, 'findings');
  const count = random.pick([1, 2, 4, 8]);
  const chance = (part: number): boolean => random.next() < part;
  const devices = Array.from({ length: count }, (_, at) =>
    device(at, {
      ...(chance(0.2) ? { sm: gauge(0.001, 0.01) } : {}),
      ...(chance(0.3) ? { idleUs: Math.round(random.next() * HOUR) } : {}),
      ...(chance(0.2) ? { memoryPeakBytes: 10 * GIB } : {}),
    }),
  );
  const parts = devices.map(() => {
    let leftUs = HOUR;
    return Object.fromEntries(
      CAUSES.filter(() => chance(0.4)).map((cause) => {
        const us = Math.round(random.next() * leftUs);
        leftUs -= us;
        return [cause, us];
      }),
    );
  });
  const effects = devices
    .filter(() => chance(0.1))
    .map(({ gpu }) => ({
      ...{ gpu, sm: level(0.4, 'ratio'), othersSm: level(0.8, 'ratio') },
      event: { tsUs: 0, node: 'n1', gpu, kind: 'throttle', subject: 'sw_thermal_slowdown', text: '' },
    }));
  const isSlow = count >= 4 && chance(0.5);
  return job(devices, {
    causes: causesOf(devices, parts, { contexts: [{ context: 'hang', fromUs: 20 * MIN, toUs: 30 * MIN }] }),
    throttleEffects: effects,
    analysis: isSlow ? { ...NO_ANALYSIS, slowest } : NO_ANALYSIS,
    ...(chance(0.3) ? { of: { lastActiveUs: 40 * MIN } } : {}),
    ...(chance(0.1) ? { state: 'OUT_OF_MEMORY' } : {}),
    ...(chance(0.3)
      ? { gauges: [jobGauge('engineActive', 0.9, count * HOUR), jobGauge('smActive', 0.1, count * HOUR)] }
      : {}),
  });
}

describe('how findings are told', () => {
  test('what broke first, then what cost most, five of them with what to type', () => {
    const devices = [device(0), device(1, { sm: gauge(0, 0.01), idleUs: HOUR })];
    const xids = [1, 2].map((code): JobEvent => ({
      tsUs: code * MIN,
      node: 'n1',
      gpu: 'GPU-0',
      kind: 'xid',
      code,
      subject: '',
      text: 'bad',
    }));
    const facts = job([{ ...devices[0]!, events: xids }, devices[1]!], {
      causes: causesOf(devices, [{ pause: 10 * MIN, gaps: 20 * MIN }, { deviceIdle: HOUR }]),
      of: { coverage: level(0.9, 'ratio') },
    });
    const findings = findingsOf(facts);
    expect(findings.map(({ rule }) => rule)).toEqual([
      ...['xid', 'xid', 'unused', 'kernel-gaps', 'pauses', 'coverage'],
    ]);
    const lines = findingLines({ ...facts, findings, rulesNotTold: [] }, 200);
    expect(lines.slice(4)).toEqual([
      expect.stringMatching(/^ {2}· 1 of 2 GPUs were never used/),
      '      lost: 1 GPU-hours',
      '      type: #SBATCH --gres=gpu:1',
      expect.stringMatching(/^ {2}· no kernel ran for 17 %/),
      '      lost: 0.333 GPU-hours',
      expect.stringMatching(/^ {2}· all GPUs rested together/),
      '      lost: 0.167 GPU-hours',
      '  and 1 more finding: --json has all',
    ]);
  });

  test('JSON says from where on a rule speaks, and who set that', () => {
    const facts = jobWith({ gaps: 12 * MIN });
    const limits = { ...USUAL_FINDING_LIMITS, kernelGapsRatio: 0.2 };
    const limitOf = (one: Finding): unknown => (findingJson(one) as { limit: unknown }).limit;
    const { source } = FINDING_LIMITS.kernelGapsRatio;
    expect(limitOf(found(facts)!)).toEqual({ value: 0.15, unit: 'ratio', source });
    expect(limitOf(findingsOf(facts, limits)[0]!)).toEqual({
      value: 0.2,
      unit: 'ratio',
      source: 'the configuration',
    });
    expect(findingsOf(facts, { ...limits, kernelGapsRatio: 0.21 })).toEqual([]);
    const tail = job([device(0)], { of: { lastActiveUs: 40 * MIN } });
    expect(limitOf(found(tail)!)).toMatchObject({ value: 10 * MIN, unit: 'microseconds' });
  });

  describe('what to type', () => {
    const never = { sm: gauge(0, 0.01), idleUs: HOUR };
    const commandOf = (
      devices: readonly JobDevice[],
      told: Partial<JobFacts['job']> = {},
      changes: JobChanges = {},
    ): string | undefined => {
      const facts = job(devices, changes);
      return found({ ...facts, job: { ...facts.job, ...told } })?.command;
    };

    test('fits Slurm, of which one knows that it ran the job', () => {
      expect(commandOf([device(0), device(1, never)])).toBe('#SBATCH --gres=gpu:1');
      expect(commandOf([{ ...device(0), node: 'n2' }, device(1), device(2, never)])).toBe('#SBATCH --gpus=2');
      const instance = { ...device(1, never), migProfile: '1g.18gb' };
      expect(commandOf([device(0), instance])).toBeUndefined();
      const unknown = { state: undefined };
      expect(commandOf([device(0), device(1, never)], unknown)).toBeUndefined();
      for (const told of [{ sluid: 's1' }, { submitUs: 1 }, { hetJobId: '7' }])
        expect(commandOf([device(0), device(1, never)], { ...unknown, ...told })).toBe(
          '#SBATCH --gres=gpu:1',
        );
    });

    test('ends a job that runs and does nothing, and no other one', () => {
      const tail = { of: { lastActiveUs: 40 * MIN } };
      expect(commandOf([device(0)], { jobId: '4217' }, { ...tail, isOpen: true })).toBe('scancel 4217');
      expect(commandOf([device(0, never)], { jobId: '4217' }, { isOpen: true })).toBe('scancel 4217');
      expect(commandOf([device(0)], { jobId: '4217' }, tail)).toBeUndefined();
      expect(commandOf([device(0, never)], { jobId: '4217' })).toBeUndefined();
      const cut = [{ ...device(0), lastSampleUs: 55 * MIN }];
      expect(commandOf(cut, { jobId: '4217' }, { ...tail, isOpen: true })).toBeUndefined();
    });

    test.each(['1; rm -rf ~', '$(id)', '-u ada', '123.server', '', "1'2"])(
      'holds no id such as %j',
      (jobId) => {
        expect(commandOf([device(0, never)], { jobId }, { isOpen: true })).toBeUndefined();
      },
    );

    test('leaves out the node of a GPU that is slow at the same work, if that has the name of a node', () => {
      const facts = (node: string, why: Slowest['why']): string | undefined =>
        commandOf(
          [{ ...device(0), node }],
          {},
          { analysis: { ...NO_ANALYSIS, slowest: { ...slowest, why } } },
        );
      expect(facts('n2', 'device')).toBe('#SBATCH --exclude=n2');
      expect(facts('n2', 'work')).toBeUndefined();
      for (const node of ['n2 --wrap=x', '-n2', 'n2;id', 'n2\nid', ''])
        expect(facts(node, 'device')).toBeUndefined();
    });
  });
});
