import type { Amount, ContextSums, DeviceContext } from '../../../src/core/analysis/causes.ts';
import {
  findContexts,
  IDLE_ENGINE_MAX,
  LOW_SM_RATIO,
  SPIN,
  topLinks,
  type ContextSpan,
  type Moment,
  type Span,
} from '../../../src/core/analysis/contexts.ts';
import { jobCauses, type DeviceCauses } from '../../../src/core/analysis/job-causes.ts';
import { deviceContexts } from '../../../src/figures/job/causes/device-contexts.ts';
import type { Scenario, ScenarioJob } from '../../../src/core/synthetic/scenario.ts';

const FIELDS = [1001, 1002, 1004, 1005, 1009, 1010, 1011, 1012];
const LINKS_FROM = 4;

/** What a lane would have recorded of a job, as columns: one row per tick and device, tick by tick. */
export interface MadeSamples {
  readonly tickUs: number;
  readonly gpus: number;
  /** Ends of ticks. */
  readonly ts: readonly number[];
  readonly engine: Float64Array;
  readonly sm: Float64Array;
  readonly tensor: Float64Array;
  readonly dram: Float64Array;
  readonly links: Float64Array;
}

function sampleJob(scenario: Scenario, job: ScenarioJob, tickUs: number): MadeSamples {
  const ts: number[] = [];
  for (let us = Math.floor(job.startUs / tickUs + 1) * tickUs; us <= job.endUs; us += tickUs) ts.push(us);
  const gpus = job.devices.length;
  const [engine, sm, tensor, dram, links] = Array.from(
    { length: 5 },
    () => new Float64Array(ts.length * gpus),
  );
  const reader = scenario.readerOf(FIELDS);
  const into = new Float64Array(FIELDS.length);
  for (const [tick, us] of ts.entries())
    for (const [rank, { device }] of job.devices.entries()) {
      reader.read(device, us, tickUs, into);
      const at = tick * gpus + rank;
      [engine![at], sm![at], tensor![at], dram![at]] = into as unknown as [number, number, number, number];
      for (let field = LINKS_FROM; field < FIELDS.length; field += 1) links![at]! += into[field]!;
    }
  return { tickUs, gpus, ts, engine: engine!, sm: sm!, tensor: tensor!, dram: dram!, links: links! };
}

const STEP_US_MIN = 1e6;

/** The extremes of all devices, second by second, as the server would tell them. */
function momentsOf({ tickUs, gpus, ts, engine, sm, tensor, dram, links }: MadeSamples): Moment[] {
  const stepUs = Math.max(STEP_US_MIN, tickUs);
  const moments: Moment[] = [];
  for (let from = 0; from < ts.length;) {
    const fromUs = Math.floor(ts[from]! / stepUs) * stepUs;
    let to = from;
    while (to < ts.length && ts[to]! < fromUs + stepUs) to += 1;
    const max = (values: Float64Array): number => Math.max(...values.subarray(from * gpus, to * gpus));
    const means = (values: Float64Array): number[] =>
      Array.from({ length: gpus }, (_, rank) => {
        let sum = 0;
        for (let tick = from; tick < to; tick += 1) sum += values[tick * gpus + rank]!;
        return sum / (to - from);
      });
    const [engineMeans, smMeans] = [means(engine), means(sm)];
    moments.push({
      fromUs,
      toUs: fromUs + stepUs,
      engineMin: Math.min(...engine.subarray(from * gpus, to * gpus)),
      engineMax: max(engine),
      engineMean: meanOf(engineMeans),
      engineTop: Math.max(...engineMeans),
      smMean: meanOf(smMeans),
      smTop: Math.max(...smMeans),
      smMax: max(sm),
      tensorMax: max(tensor),
      dramMax: max(dram),
      linksMax: max(links),
    });
    from = to;
  }
  return moments;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The sums of each device and context over these samples, as the server would add them up. */
function sumsOf(
  { tickUs, gpus, ts, ...columns }: MadeSamples,
  topLinksRate: number,
  contextAt: (rank: number, us: number) => DeviceContext,
): Map<DeviceContext, ContextSums>[] {
  const devices = Array.from({ length: gpus }, () => new Map<DeviceContext, Record<string, number>>());
  for (const [tick, us] of ts.entries())
    for (const [rank, sums] of devices.entries()) {
      const at = tick * gpus + rank;
      const [engine, sm] = [columns.engine[at]!, columns.sm[at]!];
      const context = contextAt(rank, us);
      const own = sums.get(context) ?? { all: 0, busy: 0, low: 0, spin: 0, sm: 0 };
      sums.set(context, own);
      const isLow = sm < LOW_SM_RATIO * engine;
      const isStill = columns.tensor[at]! < SPIN.tensorMax && columns.dram[at]! < SPIN.dramMax;
      const isSpin = isLow && isStill && columns.links[at]! <= SPIN.linksMax * topLinksRate;
      own['all']! += tickUs;
      own['busy']! += engine * tickUs;
      own['low']! += isLow ? engine * tickUs : 0;
      own['spin']! += isSpin ? engine * tickUs : 0;
      own['sm']! += sm * tickUs;
    }
  const amount = (us: number): Amount => ({ us, joules: 0 });
  return devices.map(
    (sums) =>
      new Map(
        [...sums].map(([context, { all, busy, low, spin, sm }]) => [
          context,
          {
            all: amount(all!),
            known: amount(all!),
            busy: amount(busy!),
            low: amount(low!),
            spin: amount(spin!),
            smUs: sm!,
          },
        ]),
      ),
  );
}

interface MadeAnalysis {
  readonly devices: readonly DeviceCauses[];
  readonly contexts: readonly ContextSpan[];
  readonly samples: MadeSamples;
}

/** Where the time of a made job went, by the pure part of the analysis. */
export function analyse(
  scenario: Scenario,
  job: ScenarioJob,
  tickUs: number,
  throttled: ReadonlyMap<number, readonly Span[]> = new Map(),
): MadeAnalysis {
  const samples = sampleJob(scenario, job, tickUs);
  const moments = momentsOf(samples);
  const window = { fromUs: job.startUs + 1, toUs: job.endUs + 1 };
  const contexts = findContexts(moments, tickUs, window);
  const isWorked = contexts.every(({ context, toUs }) => context !== 'head' || toUs < window.toUs);
  const own = job.devices.map((_, rank) => {
    let engineMax = 0;
    for (let at = rank; at < samples.engine.length; at += samples.gpus)
      engineMax = Math.max(engineMax, samples.engine[at]!);
    return deviceContexts(contexts, window, {
      isUnused: isWorked && engineMax < IDLE_ENGINE_MAX,
      idle: [],
      throttled: throttled.get(rank) ?? [],
    });
  });
  const contextAt = (rank: number, us: number): DeviceContext =>
    [...own[rank]!].find(([, spans]) => spans.some(({ fromUs, toUs }) => us >= fromUs && us < toUs))![0];
  const sums = sumsOf(samples, topLinks(moments), contextAt);
  const devices = sums.map((one, rank) => ({
    gpu: String(rank),
    ownedUs: job.endUs - job.startUs,
    seenUs: 0,
    contexts: one,
  }));
  return { devices: jobCauses(devices, moments, contexts), contexts, samples };
}
