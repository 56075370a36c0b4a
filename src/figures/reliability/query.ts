import type { Lane } from '../../core/fields/lane.ts';
import { differ } from '../../core/jobs/job-runs.ts';
import { incidentsOf, SAME_INCIDENT_US_MAX } from '../../core/reliability/incidents.ts';
import { isFatalXid } from '../../core/reliability/xid-classes.ts';
import { knownDevices } from '../capacity/devices.ts';
import { chosenDevices } from '../capacity/filters.ts';
import { capacityWindow } from '../capacity/window.ts';
import { storedLanes } from '../gauge-lanes.ts';
import { readCutInventory } from '../mig-energy.ts';
import type { Asked } from '../query-cells.ts';
import { deafNodes, faultEvents, type FaultEvents } from './events.ts';
import { availableUs, failedRuns, type FailedRun } from './failed-runs.ts';
import type { LostToFailures, NodeReliability, ReliabilityFigures } from './figures.ts';
import { nodeDowns } from './node-downs.ts';
import { nodeKey, nodeReliability, type NodeSign } from './nodes.ts';
import { meanCountInterval } from './rates.ts';
import { seenGpus, wholeGpuOf, type SeenGpu } from './seen.ts';
import { xidRates } from './xid-rates.ts';

export interface ReliabilityQueryOptions {
  /** Epoch µs. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Only the devices of this cluster; of all when absent. */
  readonly cluster?: string;
}

/**
 * How often GPUs and nodes fail, which nodes fail more often than others, and what that cost jobs.
 * @throws OperatingError `report.window`, `report.unknown_cluster`, and what `ask` throws
 */
export async function reliabilityFigures(
  db: Asked,
  lanes: readonly Lane[],
  { cluster, ...span }: ReliabilityQueryOptions,
): Promise<ReliabilityFigures> {
  const stored = await storedLanes(db, lanes, span);
  const kept = stored.map((one) => one.kept);
  const window = capacityWindow(kept, span.fromUs, span.toUs, undefined);
  const inventory = await readCutInventory(db);
  const all = await knownDevices(db, window, kept, inventory);
  const devices = await chosenDevices(db, window, all, { cluster, where: [] });
  const seen = await seenGpus(db, stored, window, { devices, inventory });
  const [events, downs, deaf] = await Promise.all([
    faultEvents(db, window),
    nodeDowns(db, window),
    deafNodes(db, window),
  ]);
  const wholeOf = (gpu: string): string => wholeGpuOf(inventory, gpu);
  const { placed, unseenEvents } = placedEvents(seen, events, wholeOf, cluster);
  const fatal = placed.filter(({ event }) => event.kind === 'engine_lost' || isFatalXid(event.code));
  const faults = fatal.map(({ event }) => ({ ...event, gpu: wholeOf(event.gpu) }));
  const runs = await failedRuns(db, { ...window, cluster, inventory, faults });
  const own = new Set(devices.map(({ gpu }) => gpu));
  const isAsked = (gpu: string): boolean => cluster === undefined || own.has(gpu);
  const signs = [
    ...fatal.map(({ key, event: { fromUs, toUs, kind } }): [string, NodeSign] => [
      key,
      { fromUs, toUs, sign: kind === 'xid' ? 'xid' : 'gpu_lost' },
    ]),
    ...downs.flatMap((down): [string, NodeSign][] => {
      const home = seen.find((one) => one.node === down.node && !differ(one.cluster, down.cluster));
      const sign = { fromUs: down.atUs, toUs: down.atUs, sign: 'node_down' } as const;
      return home === undefined ? [] : [[nodeKey(home), sign]];
    }),
  ];
  const { signsOf, unplaced } = withNodeFails(seen, signs, runs);
  const nodes = nodeReliability(seen, signsOf);
  return {
    cluster,
    fromUs: window.fromUs,
    toUs: window.toUs,
    isSynthetic: devices.some(({ isSynthetic }) => isSynthetic),
    models: xidRates(seen, xidsByGpu(placed, wholeOf)),
    nodes,
    ...meanTime(nodes, unplaced),
    unplacedFailures: unplaced,
    lost: lostOf(runs, await availableUs(db, window, inventory, isAsked)),
    unseenEvents,
    deafNodes: nodes.filter((one) => deaf.some(([of, node]) => node === one.node && !differ(of, one.cluster)))
      .length,
  };
}

interface PlacedEvents {
  /** Of `nodeKey`. */
  readonly key: string;
  readonly event: FaultEvents;
}

/** Events on nodes that were seen; those of a GPU that was not seen are on its node, where that was. */
function placedEvents(
  seen: readonly SeenGpu[],
  events: readonly FaultEvents[],
  wholeOf: (gpu: string) => string,
  cluster: string | undefined,
): { readonly placed: PlacedEvents[]; readonly unseenEvents: number } {
  const byGpu = Map.groupBy(seen, ({ gpu }) => gpu);
  const byNode = Map.groupBy(seen, ({ node }) => node);
  const placed: PlacedEvents[] = [];
  let unseenEvents = 0;
  for (const event of events) {
    const own = byGpu.get(wholeOf(event.gpu)) ?? [];
    const home =
      own.find(({ node }) => node === event.node) ??
      own[0] ??
      byNode.get(event.node)?.find((one) => !differ(one.cluster, event.cluster));
    if (home !== undefined) placed.push({ key: nodeKey(home), event });
    if (own.length === 0 && event.kind === 'xid' && (cluster === undefined || event.cluster === cluster))
      unseenEvents += event.count;
  }
  return { placed, unseenEvents };
}

function xidsByGpu(
  placed: readonly PlacedEvents[],
  wholeOf: (gpu: string) => string,
): ReadonlyMap<string, readonly FaultEvents[]> {
  const xids = placed.flatMap(({ event }) => (event.kind === 'xid' ? [event] : []));
  return Map.groupBy(xids, ({ gpu }) => wholeOf(gpu));
}

/**
 * Adds the ends of runs that the scheduler called the failure of a node: to the only node of a run. Of one on several nodes it is the
 * failure that one of them shows at that time, or nobody knows of which.
 */
function withNodeFails(
  seen: readonly SeenGpu[],
  signs: readonly (readonly [string, NodeSign])[],
  runs: readonly FailedRun[],
): { readonly signsOf: ReadonlyMap<string, readonly NodeSign[]>; readonly unplaced: number } {
  const signsOf = new Map<string, NodeSign[]>();
  for (const [key, sign] of signs) signsOf.set(key, [...(signsOf.get(key) ?? []), sign]);
  const keysOf = (run: FailedRun): string[] => [
    ...new Set(
      seen.filter((one) => run.nodes.includes(one.node) && !differ(one.cluster, run.cluster)).map(nodeKey),
    ),
  ];
  const failed = runs.filter(({ isNodeFail }) => isNodeFail);
  const sole = failed.filter((run) => run.nodes.length === 1);
  for (const run of sole)
    for (const key of keysOf(run).slice(0, 1))
      signsOf.set(key, [
        ...(signsOf.get(key) ?? []),
        { fromUs: run.endUs, toUs: run.endUs, sign: 'node_fail' },
      ]);
  const isShown = (run: FailedRun): boolean =>
    keysOf(run).some((key) =>
      signsOf
        .get(key)
        ?.some(
          ({ fromUs, toUs }) =>
            fromUs <= run.endUs + SAME_INCIDENT_US_MAX && toUs >= run.endUs - SAME_INCIDENT_US_MAX,
        ),
    );
  // Jobs that end together on several nodes are one failure.
  const dark = failed.filter((run) => run.nodes.length > 1 && !isShown(run));
  return { signsOf, unplaced: incidentsOf(dark.map(({ endUs }) => ({ fromUs: endUs, toUs: endUs }))).length };
}

function meanTime(
  nodes: readonly NodeReliability[],
  unplaced: number,
): Pick<ReliabilityFigures, 'seenNodeUs' | 'failures' | 'meanUs' | 'lowUs' | 'highUs'> {
  const seenNodeUs = nodes.reduce((sum, { seenUs }) => sum + seenUs, 0);
  const failures = nodes.reduce((sum, node) => sum + node.failures, unplaced);
  const { low, high } = meanCountInterval(failures);
  return {
    ...{ seenNodeUs, failures },
    meanUs: failures === 0 ? undefined : seenNodeUs / failures,
    lowUs: seenNodeUs === 0 ? undefined : seenNodeUs / high,
    highUs: failures === 0 ? undefined : seenNodeUs / low,
  };
}

function lostOf(runs: readonly FailedRun[], allUs: number): LostToFailures {
  return {
    runs: runs.length,
    requeued: runs.filter(({ isRequeued }) => isRequeued).length,
    mostUs: runs.reduce((sum, { ownedUs }) => sum + ownedUs, 0),
    availableUs: allUs,
  };
}
