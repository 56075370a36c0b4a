import { causeColumnsOf } from '../../schemas/kept/conclusion-columns.ts';
import { CAUSES } from '../core/analysis/causes.ts';
import type { FoundSteps, StepFigures } from '../figures/job/analysis/figures.ts';
import type { DeviceCauses } from '../figures/job/causes/figures.ts';
import type { JobFigures } from '../figures/job/figures.ts';
import { NOTHING_SEEN } from '../figures/job/kept/conclusions.ts';
import type { RowBuffer } from '../questdb/rows/row-buffer.ts';

/** What of a report is kept beside the sums. */
export type Concluded = Pick<JobFigures, 'causes' | 'analysis' | 'findings'>;

/** The symbols of a row: they come first. @param concluded undefined where that is not known (yet) */
export function encodeOrigins(buffer: RowBuffer, concluded: Concluded | undefined): void {
  if (concluded === undefined) return;
  const { causes, analysis } = concluded;
  const found = analysis.steps?.found;
  buffer
    .symbol(
      'causes_origin',
      causes === undefined ? NOTHING_SEEN : 'why' in causes ? causes.why : causes.origin,
    )
    .symbol('steps_none', found !== undefined && 'none' in found ? found.none : undefined);
}

/** What was concluded of a run, in the row of one of its devices. */
export function encodeConclusions(buffer: RowBuffer, gpu: string, concluded: Concluded | undefined): void {
  if (concluded === undefined) return;
  const { causes, analysis, findings } = concluded;
  if (causes !== undefined && !('why' in causes)) {
    const own = causes.devices.find((device) => device.gpu === gpu);
    if (own !== undefined) encodeCauses(buffer, own);
    buffer.long('causes_cut', causes.isCut ? 1 : 0);
  }
  if (analysis.steps !== undefined) encodeSteps(buffer, analysis.steps);
  buffer.text('findings', [...new Set(findings.map(({ rule }) => rule))].join(','));
}

function encodeCauses(buffer: RowBuffer, { causes, waiting }: DeviceCauses): void {
  for (const cause of CAUSES) {
    const columns = causeColumnsOf(cause);
    const amount = causes.get(cause);
    buffer.long(columns.us, amount?.us ?? 0);
    if (columns.joules !== undefined) buffer.double(columns.joules, amount?.joules);
  }
  buffer.long('waiting_least_us', waiting?.leastUs).long('waiting_most_us', waiting?.mostUs);
}

function encodeSteps(buffer: RowBuffer, { intervalUs, found, firstLightUs, drainUs }: StepFigures): void {
  buffer
    .long('steps_interval_us', intervalUs)
    .double('first_light_us', firstLightUs)
    .double('drain_us', drainUs);
  if (!('none' in found)) encodeFound(buffer, found);
}

function encodeFound(buffer: RowBuffer, found: FoundSteps): void {
  buffer
    .double('steps_period_us', found.periodUs)
    .double('steps_period_min_us', found.periodMinUs)
    .double('steps_period_max_us', found.periodMaxUs)
    .double('steps_drift_ratio', found.driftRatio)
    .double('steps_explained_ratio', found.explained)
    .long('steps_windows_agreed', found.windowsAgreed)
    .long('steps_windows', found.windowsSeen)
    .double('steps_active_us', found.activeUs)
    .double('steps_joules', found.joulesPerStep)
    .long('steps_single_count', found.single?.count)
    .double('steps_single_p50_us', found.single?.p50Us)
    .double('steps_single_p95_us', found.single?.p95Us);
}
