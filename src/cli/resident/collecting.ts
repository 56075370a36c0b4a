import { cronScheduling } from '../../../jobs/scheduling.ts';
import { startCollection, type Collection } from '../../collector/collection.ts';
import { VERSION } from '../../config/package-version.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { digestBeside } from '../../digest/resident.ts';
import { fedLane, type MetricsFeed } from '../../exporter/metrics-feed.ts';
import { watchIdleBeside } from '../../idle-watch/resident.ts';
import { pollClusterBeside } from '../../job-map/cluster-polling.ts';
import type { ResidentWays } from './run-until-stopped.ts';

const RESIDENT = {
  clock: { kind: 'real' },
  scheduling: cronScheduling,
  watchIdle: watchIdleBeside,
  pollCluster: pollClusterBeside,
  writeDigests: digestBeside,
  isStoreNeeded: false,
} as const;

/** A collector that goes on until it is stopped. @param isForced whether made-up samples may go into a store that has real ones */
export function collectingWays(isForced: boolean): ResidentWays['begin'] {
  return async (config, former, tell) => {
    const collection = await startCollection({
      ...{ ...RESIDENT, isForced, config, tell },
      ...(former === undefined ? {} : { former }),
    });
    const { collector } = collection;
    return {
      sampling: collection,
      sentence: startSentence(collection),
      data: { source: collector.source, devices: collector.devices.length },
      lastWords: ': writing what is held',
      feed: feedOf(collection),
      ended: collector.ended,
      get isAtWork() {
        return collection.isAtWork;
      },
      close: () => collection.close(),
    };
  };
}

function startSentence({ collector, db }: Collection): string {
  const { description, devices, lanes } = collector;
  const tables = lanes.map(({ table }) => table).join(', ');
  return `${description}: ${devices.length} devices, lanes ${lanesText(lanes)}, to ${db.where} (${tables})`;
}

/** What is sampled how often. */
export function lanesText(lanes: readonly Lane[]): string {
  return lanes
    .map((lane) => `${lane.name} ${lane.schedule === 'continuous' ? `${lane.intervalMs} ms` : lane.schedule}`)
    .join(', ');
}

function feedOf({ collector }: Collection): MetricsFeed {
  const { rings, control } = collector.intake.sampler;
  return {
    devices: collector.devices,
    lanes: collector.lanes.map((lane, index) => fedLane(lane, rings[index]!)),
    nowUs: collector.nowUs,
    ownership: collector.ownership,
    health: () => ({
      ...{ version: VERSION, lanes: collector.account(), sampling: control, nowMs: Date.now() },
      lateTicks: collector.lanes.map(({ name }, index) => [name, rings[index]!.tally.lateTicks] as const),
    }),
    refreshJobs: () => {
      collector.refreshJobs();
    },
  };
}
