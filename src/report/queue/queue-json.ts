import type { QueueFigures } from '../../figures/queue/figures.ts';
import { csvOf, type CsvRow } from '../text/csv-lines.ts';

/** What the queue and the GPUs had of each other as JSON: µs, times in epoch µs, what is not known left out. */
export function queueJson({ beside, idleLimits, ...figures }: QueueFigures): string {
  const { smRatio, models } = idleLimits;
  const told = {
    ...figures,
    freeBeside: beside.free,
    idleBeside: beside.idle,
    idleLimits: { smRatio, models: models && Object.fromEntries(models) },
  };
  return `${JSON.stringify(told, undefined, 2)}\n`;
}

/** A row for each account, model and size that waited. */
export function queueCsv({ waits }: QueueFigures): string {
  const rows = waits.map(({ account, model, size, started, waiting }): CsvRow => ({
    ...{ account, model, size, started_jobs: started?.jobs ?? 0 },
    ...{ median_wait_us: started?.medianUs, p95_wait_us: started?.p95Us },
    ...{ waiting_jobs: waiting?.jobs, waiting_gpus: waiting?.gpus, mean_wait_us: waiting?.meanWaitUs },
  }));
  return csvOf(rows, COLUMNS);
}

const COLUMNS = [
  ...['account', 'model', 'size', 'started_jobs', 'median_wait_us', 'p95_wait_us'],
  ...['waiting_jobs', 'waiting_gpus', 'mean_wait_us'],
];
