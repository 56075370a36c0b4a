import type { FastifyRequest } from 'fastify';
import { reportWindow } from '../../figures/asked/report-window.ts';
import { askedOnce } from '../../figures/asked-once.ts';
import { capacityFigures } from '../../figures/capacity/query.ts';
import { fleetPageOf } from '../../fleet-page/page.ts';
import { renderPlanPage } from '../../report/page/served/plan-page.ts';
import { tellOf } from '../add-refusals.ts';
import { refusalOf } from '../errors.ts';
import { PLAN_ASKED } from '../planning-asked.ts';
import { planAsked } from '../planning-reads.ts';
import { askedOf, asParameter } from '../asked.ts';
import { seenAlone } from '../reads.ts';
import { sendStreamed } from '../send-streamed.ts';
import type { App, Serving } from '../serving.ts';
import { ownGrouping, sightOf } from '../viewer.ts';

/**
 * Weeks of the fleet, drawn as in the file of `report capacity --html`. Whose the time was is asked first, which tells whether there is
 * such a cluster; then the page begins.
 */
export function addPlanPage(app: App, serving: Serving): void {
  const { config, costs, version } = serving;
  app.get('/plan', async (request, reply) => {
    const { cluster, ...asked } = askedOf(PLAN_ASKED, request.query);
    const sight = sightOf(request.viewer);
    const options = {
      ...reportWindow(planAsked(asked), Date.now() * 1000, asParameter),
      ...{ by: ownGrouping(sight), timeZone: config.timeZone },
      ...{ idleLimits: config.idle, costs },
      ...(cluster === undefined ? {} : { cluster }),
    };
    const db = serving.storeFor(request);
    const once = askedOnce(db);
    const figures = await seenAlone(sight, async () => await capacityFigures(once, config.lanes, options));
    const [assets, served] = [serving.assets.still, serving.servedTo(request.viewer)];
    const json = served.links.api(['capacity'], { ...planAsked(asked), cluster, by: options.by });
    const make = async (): Promise<{ readonly page: string; readonly isWhole: boolean }> => {
      const parts = partsTold(serving, request);
      const page = await fleetPageOf(once, config, options, figures, { sight, reason: parts.reason });
      return {
        page: renderPlanPage(page, { assets, version, served, json }),
        isWhole: parts.areWhole(),
      };
    };
    return await sendStreamed(serving, request, reply, { title: 'Plan', assets, served, db, make });
  });
}

/** What is said in place of a part of the page that did not come; where the store was in trouble the page is not whole. */
function partsTold(
  { tell }: Serving,
  { viewer, left }: FastifyRequest,
): { readonly reason: (failure: Error) => string; readonly areWhole: () => boolean } {
  let areWhole = true;
  return {
    reason: (failure) => {
      // Nobody reads the others.
      if (left.aborted) throw failure;
      const refusal = refusalOf(failure, viewer.isOperator);
      tellOf(failure, refusal, tell);
      areWhole &&= refusal.status < 500;
      return refusal.sentence;
    },
    areWhole: () => areWhole,
  };
}
