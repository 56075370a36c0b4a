import { packedTimes, type Holding } from '../../core/right-size/packing.ts';
import { smallestFor, wouldDo, type Size } from '../../core/right-size/sizes.ts';
import type { Span } from '../levels.ts';
import type { SizedGroup, TriedWeek } from './figures.ts';
import { gpuUs, isKnown, type KnownStay, type Stay } from './stays.ts';

/** The size that would have done for all of these; never a larger one than the largest that they had. @param stays of one model */
export function sizeFor(stays: readonly KnownStay[]): Size {
  const [{ device }] = stays as [KnownStay];
  const smallest = smallestFor(
    device.sizes,
    stays.map(({ use }) => use),
  );
  const had = largestHad(stays);
  return device.sizes.indexOf(smallest) < device.sizes.indexOf(had) ? smallest : had;
}

function largestHad(stays: readonly KnownStay[]): Size {
  const [{ device }] = stays as [KnownStay];
  const indexes = stays.map(({ device: { own } }) => device.sizes.indexOf(own));
  return device.sizes[Math.max(...indexes)]!;
}

/** Those by whose sizes most GPU time would be freed first. */
export function sizedGroups(stays: readonly Stay[]): SizedGroup[] {
  const groups = [...Map.groupBy(stays.filter(isKnown), ({ group }) => group).values()].map(
    (own): SizedGroup => {
      const [{ run, device }] = own as [KnownStay];
      const size = sizeFor(own);
      return {
        ...{ cluster: run.cluster, account: run.account, name: run.member.record.name, model: device.model },
        runs: new Set(own.map((stay) => stay.run)).size,
        ownedUs: own.reduce((sum, stay) => sum + gpuUs(stay), 0),
        memoryPeakBytes: Math.max(...own.map(({ use }) => use.memoryPeakBytes)),
        smP95: Math.max(...own.map(({ use }) => use.smP95)),
        had: largestHad(own),
        size,
        sizedUs: own.reduce((sum, stay) => sum + sizedUs(stay, size), 0),
      };
    },
  );
  const freedUs = ({ ownedUs, sizedUs: us }: SizedGroup): number => ownedUs - us;
  const nameOf = ({ cluster, account, name }: SizedGroup): string => JSON.stringify([cluster, account, name]);
  return groups.sort(
    (a, b) => freedUs(b) - freedUs(a) || b.ownedUs - a.ownedUs || (nameOf(a) < nameOf(b) ? -1 : 1),
  );
}

function sizedUs(stay: KnownStay, { slices, wholeSlices }: Size): number {
  return Math.min(gpuUs(stay), Math.round((stay.heldUs * slices) / wholeSlices));
}

/** What is packed: those who would have been given less than they had. @param sizeOf of a stay; undefined where it keeps what it has */
export function holdingsOf(stays: readonly Stay[], sizeOf: (stay: KnownStay) => Size | undefined): Holding[] {
  return stays.flatMap((stay) => {
    const { gpu, pool, times, device } = stay;
    const size = isKnown(stay) ? sizeOf(stay) : undefined;
    const isLess =
      device !== undefined &&
      size !== undefined &&
      device.sizes.indexOf(size) < device.sizes.indexOf(device.own);
    return times.map(({ startUs, endUs }): Holding => ({
      startUs,
      endUs,
      gpu: device?.parent ?? gpu,
      pool,
      size: isLess ? size : undefined,
    }));
  });
}

const WEEK_US = 7 * 86_400e6;

/**
 * Each whole week against sizes that are chosen without the runs that began in it. Whoever has no other run keeps what it had, as does a
 * run for which the size would not have done.
 */
export function triedWeeks(stays: readonly Stay[], { fromUs, toUs }: Span): TriedWeek[] {
  const count = Math.floor((toUs - fromUs) / WEEK_US);
  if (count < 2) return [];
  const groups = Map.groupBy(stays.filter(isKnown), ({ group }) => group);
  const beganAt = ({ run }: Stay): number => (run.whole ?? run.window).startUs;
  return Array.from({ length: count }, (_, index): TriedWeek => {
    const week = { fromUs: toUs - (count - index) * WEEK_US, toUs: toUs - (count - index - 1) * WEEK_US };
    const isIn = (stay: Stay): boolean => beganAt(stay) >= week.fromUs && beganAt(stay) < week.toUs;
    const sizes = new Map(
      [...groups].flatMap(([key, own]) => {
        const others = own.filter((stay) => !isIn(stay));
        return others.length === 0 ? [] : [[key, sizeFor(others)] as const];
      }),
    );
    let [runs, failed] = [0, 0];
    const holdings = holdingsOf(stays, (stay) => {
      const size = sizes.get(stay.group);
      if (size === undefined) return undefined;
      const isLess = stay.device.sizes.indexOf(size) < stay.device.sizes.indexOf(stay.device.own);
      const isTried = isIn(stay) && isLess;
      const isFailed = isTried && !wouldDo(size, stay.use);
      runs += isTried ? 1 : 0;
      failed += isFailed ? 1 : 0;
      return isFailed ? undefined : size;
    });
    const [time] = packedTimes(holdings, [week]);
    return { ...week, freedUs: time!.usedUs - time!.neededUs, runs, failed };
  });
}
