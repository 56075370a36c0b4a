import type { Interval } from '../../src/core/jobs/interval.ts';
import { Ownership } from '../../src/core/jobs/ownership.ts';
import { interleave, type Bench, type Measurement } from './measurement.ts';

const DEVICES = 8;
const INTERVALS = 10_000;
/** Of these are still open, as on a node that shares its GPUs. */
const OPEN = 40;
const JOB_US = 7e6;
const EVERY_US = 1e6;
const SAMPLE_US = 100_000;
const ROUNDS = 9;
const LABELS_GOAL = 1e6;

const gpus = Array.from({ length: DEVICES }, (_, index) => `GPU-${index}`);

/** Ten thousand jobs, one after the other on eight devices, facts in the order of time. */
function fill(): Ownership {
  const ownership = new Ownership();
  for (let job = 0; job < INTERVALS; job += 1) {
    const gpu = gpus[job % DEVICES]!;
    const tenure = { node: 'n1', gpu, jobId: String(job), run: 0, share: NaN, source: 'bench' };
    ownership.apply({ ...tenure, kind: 'start', atUs: job * EVERY_US });
    if (job < INTERVALS - OPEN) ownership.apply({ ...tenure, kind: 'end', atUs: job * EVERY_US + JOB_US });
  }
  return ownership;
}

/** Labels all samples of all devices at 10 Hz over the whole time. @returns labels per second. */
function rate(label: (gpu: number, tsUs: number) => number): number {
  let owners = 0;
  let count = 0;
  const startMs = performance.now();
  for (let tsUs = 0; tsUs < INTERVALS * EVERY_US; tsUs += SAMPLE_US) {
    for (let gpu = 0; gpu < DEVICES; gpu += 1) owners += label(gpu, tsUs);
    count += DEVICES;
  }
  const seconds = (performance.now() - startMs) / 1000;
  if (owners === 0) throw new Error('no sample had an owner');
  return count / seconds;
}

/** What one would write first: each device's intervals by start, and a search for each sample. */
function searcher(ownership: Ownership): (gpu: number, tsUs: number) => number {
  const byGpu = gpus.map((gpu) => ownership.intervals().filter((interval) => interval.gpu === gpu));
  return (gpu, tsUs) => {
    const intervals: readonly Interval[] = byGpu[gpu]!;
    let low = 0;
    let high = intervals.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (intervals[middle]!.startUs < tsUs) low = middle + 1;
      else high = middle;
    }
    const found = intervals[low - 1];
    return found !== undefined && tsUs <= found.endUs ? 1 : 0;
  };
}

export const ownershipBench: Bench = {
  name: 'ownership',
  about: 'labels per second from 10,000 intervals, over one binary search a sample',
  async measure(): Promise<Measurement[]> {
    const ownership = fill();
    const search = searcher(ownership);
    const labels = await interleave(
      ROUNDS,
      () => rate((gpu, tsUs) => ownership.labelAt(gpus[gpu]!, tsUs).owners),
      () => rate(search),
    );
    return [
      {
        name: 'labels_per_second',
        ...labels,
        unit: 'labels/s',
        goal: { text: `≥ ${LABELS_GOAL / 1e6} M`, isMet: labels.value >= LABELS_GOAL },
      },
    ];
  },
};
