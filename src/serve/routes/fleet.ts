import { reportWindow } from '../../figures/asked/report-window.ts';
import { narrowedTo, timesNarrowedTo } from '../../figures/capacity/narrowed.ts';
import { capacityFigures, capacityTimes } from '../../figures/capacity/query.ts';
import type { IdleJob, IdleWatchFigures } from '../../figures/idle/figures.ts';
import { idleWatch } from '../../figures/idle/idle-watch.ts';
import { jobsFigures } from '../../figures/job/jobs.ts';
import type { Asked } from '../../figures/query-cells.ts';
import { isSeen, type Sight } from '../../figures/sight.ts';
import { idleAfterMs } from '../../idle-watch/watch.ts';
import { drawnPeriod } from '../../report/page/fleet/periods-chart.ts';
import { renderFleetPage, type FleetPageFigures } from '../../report/page/served/fleet-page.ts';
import { askedOf, asParameter } from '../asked.ts';
import { sendPage } from '../send-page.ts';
import type { App, Serving } from '../serving.ts';
import { ownGrouping, sightOf, type Viewer } from '../viewer.ts';

/** The fleet now and in the last seven days. */
export function addFleetPage(app: App, serving: Serving): void {
  app.get('/', async (request, reply) => {
    askedOf({}, request.query);
    const figures = await fleetFigures(serving.storeFor(request), serving, request.viewer);
    const [assets, served] = [serving.assets.still, serving.servedTo(request.viewer)];
    const json = served.links.api(
      ['capacity'],
      figures.capacity.by === 'account' ? {} : { by: figures.capacity.by },
    );
    const page = renderFleetPage(figures, { assets, version: serving.version, served, json });
    return await sendPage(reply, page, { assets, served });
  });
}

async function fleetFigures(
  db: Asked,
  { config, costs }: Serving,
  viewer: Viewer,
): Promise<FleetPageFigures> {
  const { lanes, idle: idleLimits } = config;
  const sight = sightOf(viewer);
  const nowUs = Date.now() * 1000;
  const window = reportWindow({}, nowUs, asParameter);
  const by = ownGrouping(sight);
  const every = drawnPeriod(window);
  const [watch, capacity, days, jobs] = await Promise.all([
    idleWatch(db, lanes, { nowUs, afterUs: idleAfterMs(config) * 1000, idleLimits }),
    capacityFigures(db, lanes, { ...window, by, idleLimits, costs }),
    every && capacityTimes(db, lanes, { ...window, by: 'cluster', every, idleLimits }),
    jobsFigures(db, lanes, { ...window, nowUs, filters: {}, order: 'lost', idleLimits, costs, sight }),
  ]);
  return {
    watch: seenIn(watch, sight),
    now: nowOf(watch),
    capacity: narrowedTo(sight, capacity),
    days: days && timesNarrowedTo(sight, days),
    jobs,
  };
}

/** Of everybody's jobs. */
function nowOf({ idle, partlyIdle }: IdleWatchFigures): FleetPageFigures['now'] {
  const jobs = [...idle, ...partlyIdle];
  return {
    idle: idle.length,
    partlyIdle: partlyIdle.length,
    lostGpuUs: jobs.reduce<number | undefined>(
      (sum, { lostGpuUs }) => (sum === undefined || lostGpuUs === undefined ? undefined : sum + lostGpuUs),
      0,
    ),
  };
}

/** Lists of those alone that may be seen; how many run, and of how many nothing is known, is no secret. */
function seenIn(watch: IdleWatchFigures, sight: Sight | undefined): IdleWatchFigures {
  const seen = (jobs: readonly IdleJob[]): IdleJob[] => jobs.filter((job) => isSeen(sight, job));
  return { ...watch, idle: seen(watch.idle), partlyIdle: seen(watch.partlyIdle) };
}
