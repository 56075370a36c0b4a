import { nearestWords } from '../../../schemas/nearest.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { packedTimes } from '../../core/right-size/packing.ts';
import { wouldDo } from '../../core/right-size/sizes.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import { useKey } from './device-use.ts';
import type { WhatIf } from './figures.ts';
import type { FleetSizes } from './fleet-sizes.ts';
import { holdingsOf } from './sized.ts';
import { isKnown, type Stays } from './stays.ts';

/** What is asked to be otherwise: every GPU that can be cut so has so many instances of a profile; jobs that idle are ended. */
export type WhatIfQuestion =
  | { readonly of: 'mig'; readonly profile: string; readonly count: number }
  | { readonly of: 'idle_limit'; readonly limitUs: number };

/** @throws OperatingError `report.what_if`, and what `ask` throws */
export async function whatIf(db: Asked, stays: Stays, span: Span, question: WhatIfQuestion): Promise<WhatIf> {
  return question.of === 'mig'
    ? migWhatIf(stays, span, question)
    : await idleWhatIf(db, stays, span, question.limitUs);
}

function migWhatIf(
  { stays, fleet }: Stays,
  span: Span,
  { profile, count }: Extract<WhatIfQuestion, { readonly of: 'mig' }>,
): WhatIf {
  const models = modelsWith(fleet, profile, count);
  const known = stays.filter(isKnown).filter(({ device }) => models.includes(device.model));
  const fitting = known.filter(({ device, use }) =>
    wouldDo(
      device.sizes.find((one) => one.profile === profile)!,
      use,
    ),
  );
  const fits = new Set(fitting);
  const holdings = holdingsOf(stays, (stay) =>
    fits.has(stay) ? stay.device.sizes.find((one) => one.profile === profile) : undefined,
  );
  // They are cut into these and nothing else.
  const [time] = packedTimes(holdings, [span], (sizes) => Math.ceil(sizes.length / count));
  return {
    ...{ of: 'mig', profile, count, models, fitting: fitting.length, known: known.length },
    usedUs: time!.usedUs,
    neededUs: time!.neededUs,
    neededMost: time!.neededMost,
  };
}

/** The models that can be cut so. @throws OperatingError `report.what_if` (exit `usage`) where none can */
function modelsWith({ models }: FleetSizes, profile: string, count: number): string[] {
  const sized = [...models].flatMap(([model, sizes]) => sizes.map((size) => ({ model, size })));
  const bearing = sized.filter(({ size }) => size.profile === profile);
  const found = bearing.filter(({ size }) => size.countMax >= count).map(({ model }) => model);
  if (found.length > 0) return found.sort();
  const profiles = [...new Set(sized.flatMap(({ size }) => size.profile ?? []))];
  const nearest = nearestWords(profile, profiles, 2);
  throw new OperatingError(
    bearing.length === 0
      ? `--what-if mig=${profile}:${count}: no GPU of this fleet can be cut into ${profile}`
      : `--what-if mig=${profile}:${count}: expected at most ${Math.max(...bearing.map(({ size }) => size.countMax))} instances of ${profile} on a GPU, came ${count}`,
    {
      code: 'report.what_if',
      exit: 'usage',
      hints: [
        ...(bearing.length === 0 && nearest.length > 0 ? [`did you mean: ${nearest.join(', ')}`] : []),
        profiles.length === 0
          ? 'no model of GPU there is known to be cut by MIG'
          : `what there can be: ${profiles.join(', ')}`,
      ],
    },
  );
}

/** How the runs that ended in the window idled, as far as that was concluded. */
async function idleWhatIf(db: Asked, { runs, fleet }: Stays, span: Span, limitUs: number): Promise<WhatIf> {
  const rows = await ask(
    db,
    'SELECT job_id, gpu, cast(ts AS LONG) AS start_us, cast(end_ts AS LONG) AS end_us, causes_origin, cause_idle_tail_us, cause_idle_head_us, cause_pause_us' +
      ` FROM job_figures WHERE end_ts > ${quoteTime(span.fromUs)} AND end_ts <= ${quoteTime(span.toUs)} ORDER BY written_ts`,
  );
  const byStay = Map.groupBy(rows, (row) => useKey(row.text('job_id') ?? '', row.text('gpu') ?? ''));
  const sums = { runs: 0, freedUs: 0, stoppedBefore: 0, maybeStopped: 0, unknown: 0, known: 0 };
  for (const { run, window, whole = window, hasEnded } of runs) {
    if (!hasEnded) continue;
    const own = [...new Set(whole.intervals.map(({ gpu }) => gpu))].map((gpu) => {
      const kept = byStay
        .get(useKey(run.jobId, gpu))
        ?.findLast((row) => row.number('start_us')! >= whole.startUs && row.number('end_us')! <= whole.endUs);
      // Times are by slices, the limit is not.
      const { slices = 1, wholeSlices = 1 } = fleet.devices.get(gpu)?.own ?? {};
      const tailUs = kept?.number('cause_idle_tail_us');
      return tailUs === undefined
        ? undefined
        : {
            ...{ tailUs, limitUs: limitUs * (slices / wholeSlices) },
            headUs: kept?.number('cause_idle_head_us') ?? 0,
            pauseUs: kept?.number('cause_pause_us') ?? 0,
          };
    });
    const told = own.filter((one) => one !== undefined);
    if (told.length < own.length || told.length === 0) {
      sums.unknown += 1;
      continue;
    }
    sums.known += 1;
    const freedUs = told.reduce((sum, one) => sum + Math.max(0, one.tailUs - one.limitUs), 0);
    sums.runs += freedUs > 0 ? 1 : 0;
    sums.freedUs += freedUs;
    const isStopped = told.every((one) => one.headUs > one.limitUs);
    sums.stoppedBefore += isStopped ? 1 : 0;
    sums.maybeStopped += !isStopped && told.every((one) => one.pauseUs > one.limitUs) ? 1 : 0;
  }
  return { of: 'idle_limit', limitUs, ...sums };
}
