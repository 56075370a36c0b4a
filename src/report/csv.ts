import { HOUR_US } from '../core/base/hour.ts';
import type { CostRates } from '../core/costs/costs.ts';
import { GAUGE_KEYS, GAUGES, GAUGES_WITH_PERCENTILES } from '../figures/gauges.ts';
import type { JobDevice, JobFigures } from '../figures/job/figures.ts';
import type { JobAmounts, JobsFigures, JobsRow } from '../figures/job/jobs-figures.ts';
import type { TaskAmounts, TaskFigures, TasksFigures } from '../figures/job/tasks-figures.ts';
import { PIPE_KEYS } from '../figures/job/rows/pipes.ts';
import { withoutHours, type CostBasis } from '../figures/cost-basis.ts';
import { isoMicroseconds } from '../figures/sql-text.ts';
import { costCells } from './costs-csv.ts';
import { csvOf, snake, type CsvRow } from './text/csv-lines.ts';

const KWH_JOULES = 3.6e6;

/** The account of a job as CSV: a header, then one row per device; of a job without devices the header alone. */
export function jobCsv(figures: JobFigures): string {
  const rows = figures.devices.map((device) => deviceRow(figures, device));
  return csvOf(rows, Object.keys(deviceRow(figures, undefined)));
}

/** @param device undefined for the names of the columns */
function deviceRow(figures: JobFigures, device: JobDevice | undefined): CsvRow {
  const gauges: Record<string, number | undefined> = {};
  const ranks: Record<string, number | undefined> = {};
  for (const key of GAUGE_KEYS) {
    const name = `${snake(key)}_${GAUGES[key].unit}`;
    gauges[`${name}_mean`] = device?.gauges[key]?.mean?.value;
    gauges[`${name}_max`] = device?.gauges[key]?.max.value;
    ranks[`${name}_min`] = device?.gauges[key]?.min?.value;
    if (!GAUGES_WITH_PERCENTILES.includes(key)) continue;
    ranks[`${name}_p50`] = device?.gauges[key]?.p50?.value;
    ranks[`${name}_p95`] = device?.gauges[key]?.p95?.value;
  }
  return {
    job_id: figures.job.jobId,
    run: figures.job.run,
    node: device?.node,
    gpu: device?.gpu,
    gpu_index: device?.index,
    model: device?.model,
    mig_profile: device?.migProfile,
    start: isoMicroseconds(figures.startUs),
    end: figures.isOpen ? undefined : isoMicroseconds(figures.endUs),
    owned_us: device?.ownedUs,
    sampled_us: device?.sampledUs,
    attributed_us: device?.attributedUs,
    samples: device?.samples,
    idle_us: device?.idle?.value,
    ...gauges,
    energy_counter_joules: device?.energy.counter?.value,
    energy_power_joules: device?.energy.power?.value,
    events: device?.events.length,
    cluster: figures.job.cluster,
    energy_best_joules: device?.energy.best?.value,
    energy_best_known_us: device === undefined ? undefined : (device.energy.best?.knownUs ?? 0),
    idle_known_us: device === undefined ? undefined : (device.idle?.knownUs ?? 0),
    used_us: device?.used?.value,
    ...ranks,
    owned_gpu_us: device?.ownedGpuUs,
    slice_ratio: device?.sliceRatio,
    energy_divided_joules: device?.energy.divided?.value,
    wasted_us: device?.used === undefined ? undefined : device.used.knownUs - device.used.value,
    ...smShareCells(device),
    longest_idle_us: device?.longestIdle?.lengthUs,
    longest_idle_from: timeOf(device?.longestIdle?.fromUs),
    longest_idle_is_at_least:
      device?.longestIdle === undefined ? undefined : String(device.longestIdle.isAtLeast),
    idle_sm_ratio: device?.idleSmRatio,
    ...costCells(figures.costs?.rates, device && figures.costs?.devices.get(device.gpu)),
  };
}

function smShareCells(device: JobDevice | undefined): CsvRow {
  return Object.fromEntries(PIPE_KEYS.map((key) => [`${key}_of_sm_ratio`, device?.smShares[key]?.value]));
}

function timeOf(us: number | undefined): string | undefined {
  return us === undefined ? undefined : isoMicroseconds(us);
}

/** The account of an array or a heterogeneous job as CSV: a header, then one row per run of a task, and `all` last. */
export function tasksCsv({ jobId, cluster, tasks, all, costBasis }: TasksFigures): string {
  const cells = (kind: 'task' | 'all', amounts: TaskAmounts, row: Partial<TaskFigures>): CsvRow => ({
    kind,
    of: jobId,
    cluster,
    task: row.task,
    job_id: row.jobId,
    run: row.run,
    state: row.state,
    exit_code: row.exitCode,
    start: row.startUs === undefined ? undefined : isoMicroseconds(row.startUs),
    end: row.endUs === undefined || row.isOpen ? undefined : isoMicroseconds(row.endUs),
    ...amountCells(amounts),
    ...costCells(toldRates(costBasis), amounts.costs),
  });
  return csvOf([...tasks.map((row) => cells('task', row, row)), cells('all', all, {})]);
}

/** @param amounts undefined for the names of the columns */
function amountCells(amounts: TaskAmounts | undefined): CsvRow {
  return {
    devices: amounts?.devices,
    owned_us: amounts?.ownedUs,
    sampled_us: amounts?.sampledUs,
    attributed_us: amounts?.attributedUs,
    samples: amounts?.samples,
    idle_us: amounts?.idle?.value,
    sm_active_ratio_mean: amounts?.smActive?.value,
    energy_counter_joules: amounts?.energy.counter?.value,
    energy_power_joules: amounts?.energy.power?.value,
    energy_best_joules: amounts?.energy.best?.value,
    energy_best_known_us: amounts === undefined ? undefined : (amounts.energy.best?.knownUs ?? 0),
    idle_known_us: amounts === undefined ? undefined : (amounts.idle?.knownUs ?? 0),
    used_us: amounts?.used?.value,
    owned_gpu_us: amounts?.ownedGpuUs,
    energy_divided_joules: amounts?.energy.divided?.value,
  };
}

/** The account of many jobs as CSV: a header, then one row per run, and `all` last; of no job the header alone. */
export function jobsCsv({ rows, all, fromUs, toUs, costBasis }: JobsFigures): string {
  const window = { from: isoMicroseconds(fromUs), to: isoMicroseconds(toUs) };
  const cells = (kind: 'job' | 'all', row: Partial<JobsRow>, amounts: JobAmounts | undefined): CsvRow => ({
    ...window,
    kind,
    job: row.typedId,
    job_id: row.jobId,
    run: row.run,
    cluster: row.cluster,
    name: row.name,
    user: row.user,
    account: row.account,
    partition: row.partition,
    qos: row.qos,
    state: row.state,
    exit_code: row.exitCode,
    start: timeOf(row.startUs),
    end: row.isOpen === true ? undefined : timeOf(row.endUs),
    nodes: row.nodes,
    ...amountCells(amounts),
    wasted_us: amounts?.used === undefined ? undefined : amounts.used.knownUs - amounts.used.value,
    lost_us: amounts?.lostUs,
    gpu_hours: amounts === undefined ? undefined : amounts.ownedGpuUs / HOUR_US,
    energy_kwh: amounts?.energy.best === undefined ? undefined : amounts.energy.best.value / KWH_JOULES,
    ...costCells(toldRates(costBasis), amounts?.costs),
    // An empty cell is what nobody knows.
    findings: row.rules?.length === 0 ? 'none' : row.rules?.join(' '),
  });
  const told = [
    ...rows.map((row) => cells('job', row, row)),
    ...(all === undefined ? [] : [cells('all', {}, all)]),
  ];
  return csvOf(told, Object.keys(cells('all', {}, undefined)));
}

/** Of many jobs, of which nothing is told by the hour. */
function toldRates(basis: CostBasis | undefined): CostRates | undefined {
  return basis && withoutHours(basis.rates);
}
