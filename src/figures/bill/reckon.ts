import { monthName, monthSpan, type Month } from '../../core/calendar/month.ts';
import { energyCosts, type CostRates } from '../../core/costs/costs.ts';
import type { HourlyGrams } from '../../core/costs/hourly-grams.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { costBasis } from '../cost-basis.ts';
import { lookAtRuns } from '../job/seen-runs.ts';
import { ask, type Asked } from '../query-cells.ts';
import { billedTime, lengthUs, type BilledRun } from './billed-runs.ts';
import { byLine, lineKey, type BillLine, type BillTerms, type ReckonedBill } from './figures.ts';

interface BillQuestion {
  readonly month: Month;
  readonly terms: BillTerms;
  /** Of the file, where the terms say that there is one. */
  readonly grams: HourlyGrams | undefined;
  readonly nowUs: number;
}

type RunSeen = Parameters<Parameters<typeof lookAtRuns<BilledRun, unknown>>[4]>[0];
type ModelOf = Parameters<Parameters<typeof lookAtRuns<BilledRun, unknown>>[4]>[1];

/**
 * What all jobs had of all devices in a month, as far as it has gone: time from `gpu_ownership`, energy from the samples, the idle time
 * at the end of jobs from `job_figures`.
 * @throws what `ask` throws
 */
export async function reckonBill(
  db: Asked,
  lanes: readonly Lane[],
  { month, terms, grams, nowUs }: BillQuestion,
): Promise<ReckonedBill> {
  const { fromUs, toUs } = monthSpan(month, terms.timeZone);
  const untilUs = Math.min(toUs, nowUs);
  const { runs, asked, unresolvedUs } = await billedTime(db, { fromUs, toUs: untilUs }, nowUs);
  const [first] = await ask(db, 'SELECT cast(min(ts) AS LONG) AS first_us FROM gpu_ownership');
  const isByHour = terms.gramsPerKwh === 'hourly';
  const rates = {
    pue: terms.pue,
    gramsPerKwh: terms.gramsPerKwh === 'hourly' ? (grams ?? new Map()) : terms.gramsPerKwh,
  };
  const isCredited = terms.idleTailCredit !== undefined;
  const seen =
    runs.length === 0
      ? undefined
      : await lookAtRuns(db, lanes, runs, { asked, isByHour }, (run, modelOf) => ({
          lines: linesOf(run, modelOf, { rates, isCredited }),
          hours: [...(run.hours?.values() ?? [])].flat(),
          isTailUntold: run.hasEnded && tailsOf(run) === undefined,
        }));
  const of = seen?.seen ?? [];
  return {
    head: {
      month: monthName(month),
      ...{ fromUs, toUs, terms },
      isSynthetic: seen?.isSynthetic ?? false,
      openStays: runs.reduce((sum, run) => sum + run.openStays, 0),
      unresolvedUs,
      untoldTails: isCredited ? of.filter(({ isTailUntold }) => isTailUntold).length : undefined,
      missingHours: costBasis(
        asCostRates(rates),
        of.flatMap(({ hours }) => hours),
      ).missingHoursUs.length,
    },
    lines: addedLines(of.flatMap(({ lines }) => lines)),
    untilUs,
    firstUs: first?.number('first_us'),
  };
}

type EnergyRates = Pick<CostRates, 'pue' | 'gramsPerKwh'>;

function asCostRates(rates: EnergyRates): CostRates {
  return { ...rates, currency: undefined, gpuHour: undefined, rgu: undefined, kwhPrice: undefined };
}

function linesOf(
  run: RunSeen,
  modelOf: ModelOf,
  { rates, isCredited }: { readonly rates: EnergyRates; readonly isCredited: boolean },
): BillLine[] {
  const { cluster, account, user, devices, sliceRatios, window, hours } = run;
  const tails = isCredited ? tailsOf(run) : undefined;
  const nodeOf = new Map(window.intervals.map(({ gpu, node }) => [gpu, node]));
  return [...Map.groupBy(run.parts, ({ gpu }) => gpu)].map(([gpu, parts]) => {
    const ratio = sliceRatios.get(gpu);
    const ownedUs = parts.reduce(
      (sum, part) => sum + lengthUs({ ...part, part: part.part * (ratio ?? 1) }),
      0,
    );
    const { bestJoules, bestUs = 0 } = devices.get(gpu) ?? {};
    const joules = bestUs > 0 ? bestJoules : undefined;
    const { carbon } = energyCosts(asCostRates(rates), ownedUs, {
      joules,
      knownUs: bestUs,
      hours: hours?.get(gpu),
    });
    return {
      ...{ cluster, account, user, gpu, ownedUs },
      node: nodeOf.get(gpu) ?? '',
      model: modelOf(gpu),
      isSizeKnown: ratio !== undefined,
      millijoules: joules === undefined ? undefined : Math.round(joules * 1e3),
      energyUs: joules === undefined ? 0 : Math.min(ownedUs, Math.round(bestUs)),
      milligrams: carbon?.value === undefined ? undefined : Math.round(carbon.value * 1e3),
      carbonMillijoules: carbon?.value === undefined ? 0 : Math.round(carbon.covered * 1e3),
      idleTailUs: Math.min(ownedUs, tails?.get(gpu) ?? 0),
    };
  });
}

/** How long its devices idled at its end, µs by parts and slices; undefined where nobody concluded that, or it has not ended yet. */
function tailsOf({ hasEnded, conclusions }: RunSeen): ReadonlyMap<string, number> | undefined {
  if (!hasEnded || conclusions === undefined || 'why' in conclusions.causes) return undefined;
  return new Map(conclusions.causes.devices.map(({ gpu, causes }) => [gpu, causes.get('idleTail')?.us ?? 0]));
}

/** One of each account, user and device. */
function addedLines(lines: readonly BillLine[]): BillLine[] {
  const plus = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined ? b : a + (b ?? 0);
  const byKey = new Map<string, BillLine>();
  for (const line of lines) {
    const key = lineKey(line);
    const known = byKey.get(key);
    byKey.set(
      key,
      known === undefined
        ? line
        : {
            ...known,
            // In whatever order they came.
            node: known.node < line.node ? known.node : line.node,
            ownedUs: known.ownedUs + line.ownedUs,
            millijoules: plus(known.millijoules, line.millijoules),
            energyUs: known.energyUs + line.energyUs,
            milligrams: plus(known.milligrams, line.milligrams),
            carbonMillijoules: known.carbonMillijoules + line.carbonMillijoules,
            idleTailUs: known.idleTailUs + line.idleTailUs,
          },
    );
  }
  return [...byKey.values()].filter(({ ownedUs }) => ownedUs > 0).sort(byLine);
}
