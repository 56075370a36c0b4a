import { isMoreThanUsual, usualOf } from '../../../core/analysis/usual.ts';
import type { StepFigures } from '../analysis/figures.ts';
import { typedId } from '../bearers.ts';
import type { JobFigures, OwnedFigures } from '../figures.ts';
import { amountsOf, type SeenRun } from '../seen-runs.ts';
import {
  AMOUNT_KEYS,
  type ComparedAmount,
  type JobHistory,
  type PastRun,
  type RunAmounts,
} from './figures.ts';

/** Energy of less of the time is not all of the run's. */
const SEEN_RATIO_MIN = 0.95;

/** A run beside earlier ones. @param ratioMin by which part of the usual it has to be more @param alike one at least, newest first */
export function compareRuns(
  { all, analysis, isOpen }: JobFigures,
  alike: readonly SeenRun[],
  ratioMin: number,
): JobHistory {
  const own = amountsOfRun(all, analysis.steps, isOpen);
  const runs = alike.map(pastRun);
  const compared = AMOUNT_KEYS.flatMap((key): ComparedAmount[] => {
    const values = runs.flatMap(({ amounts }) => amounts[key] ?? []);
    if (values.length === 0) return [];
    const usual = usualOf(values);
    const value = own[key];
    return [
      { key, value, ...usual, isRegressed: value !== undefined && isMoreThanUsual(value, usual, ratioMin) },
    ];
  });
  return { runs, compared };
}

function pastRun({ member, run, window, sums, sliceRatios, conclusions }: SeenRun): PastRun {
  return {
    typedId: typedId(member, run.jobId),
    run: run.run,
    startUs: window.startUs,
    endUs: window.endUs,
    amounts: amountsOfRun(amountsOf(window.intervals, sliceRatios, [sums]), conclusions?.steps, false),
  };
}

function amountsOfRun(owned: OwnedFigures, steps: StepFigures | undefined, isOpen: boolean): RunAmounts {
  const found = steps === undefined || 'none' in steps.found ? undefined : steps.found;
  return {
    gpuUs: isOpen ? undefined : owned.ownedGpuUs,
    joules: isOpen ? undefined : wholeJoules(owned),
    periodUs: found?.periodUs,
    joulesPerStep: found?.joulesPerStep,
  };
}

/** Known times are by parts and slices, as attributed time is, and sampled time is as owned time is. */
function wholeJoules({
  energy: { best },
  attributedUs,
  sampledUs,
  ownedUs,
}: OwnedFigures): number | undefined {
  if (best === undefined) return undefined;
  const knownRatio = Math.min(1, best.knownUs / attributedUs) * Math.min(1, sampledUs / ownedUs);
  return knownRatio >= SEEN_RATIO_MIN ? best.value : undefined;
}
