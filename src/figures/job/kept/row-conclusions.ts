import { causeColumnsOf } from '../../../../schemas/kept/conclusion-columns.ts';
import { CAUSES } from '../../../core/analysis/causes.ts';
import type { Cells } from '../../query-cells.ts';
import type { FoundSteps, NoSteps, StepFigures } from '../analysis/figures.ts';
import type { CauseAmounts, JobCauses, NoCauses } from '../causes/figures.ts';
import { NOTHING_SEEN, type DeviceConclusions } from './conclusions.ts';

/** What a row of `job_figures` says beside its sums; undefined where nobody concluded anything, as in rows of older versions. */
export function conclusionsOfRow(row: Cells): DeviceConclusions | undefined {
  const origin = row.text('causes_origin');
  if (origin === undefined || origin === NOTHING_SEEN) return undefined;
  const rules = row.text('findings') ?? '';
  return {
    ownedUs: row.number('owned_us') ?? 0,
    causes: isNone(origin)
      ? { why: origin }
      : {
          origin: origin as JobCauses['origin'],
          isCut: row.number('causes_cut') === 1,
          causes: amountsOf(row),
          waiting: waitingOf(row),
        },
    steps: stepsOf(row),
    rules: rules === '' ? [] : rules.split(','),
  };
}

function isNone(origin: string): origin is NoCauses['why'] {
  return origin === 'no_engine' || origin === 'aged_out';
}

function amountsOf(row: Cells): CauseAmounts {
  return new Map(
    CAUSES.flatMap((cause) => {
      const columns = causeColumnsOf(cause);
      const us = row.number(columns.us) ?? 0;
      const joules = columns.joules === undefined ? undefined : row.number(columns.joules);
      return us === 0 ? [] : [[cause, { us, joules }] as const];
    }),
  );
}

function waitingOf(row: Cells): JobCauses['waiting'] {
  const [leastUs, mostUs] = [row.number('waiting_least_us'), row.number('waiting_most_us')];
  return leastUs === undefined || mostUs === undefined ? undefined : { leastUs, mostUs };
}

function stepsOf(row: Cells): StepFigures | undefined {
  const intervalUs = row.number('steps_interval_us');
  if (intervalUs === undefined) return undefined;
  const none = row.text('steps_none');
  return {
    intervalUs,
    found: none === undefined ? foundOf(row) : { none: none as NoSteps },
    firstLightUs: row.number('first_light_us'),
    drainUs: row.number('drain_us'),
  };
}

function foundOf(row: Cells): FoundSteps {
  const count = row.number('steps_single_count');
  return {
    periodUs: row.number('steps_period_us')!,
    periodMinUs: row.number('steps_period_min_us')!,
    periodMaxUs: row.number('steps_period_max_us')!,
    explained: row.number('steps_explained_ratio')!,
    windowsAgreed: row.number('steps_windows_agreed')!,
    windowsSeen: row.number('steps_windows')!,
    driftRatio: row.number('steps_drift_ratio'),
    activeUs: row.number('steps_active_us')!,
    joulesPerStep: row.number('steps_joules'),
    single:
      count === undefined
        ? undefined
        : {
            count,
            p50Us: row.number('steps_single_p50_us')!,
            p95Us: row.number('steps_single_p95_us')!,
          },
  };
}
