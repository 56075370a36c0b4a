import { HORIZON_WEEKS_MAX } from '../core/forecast/backtest.ts';
import { lookingBack, LOOKS_BACK } from '../figures/asked/planning.ts';
import { reportWindow, type ReportWindow, type WindowFlags } from '../figures/asked/report-window.ts';
import type { BillFigures } from '../figures/bill/bill-figures.ts';
import { readBill, shownBill } from '../figures/bill/read-bill.ts';
import type { ForecastFigures } from '../figures/forecast/figures.ts';
import { forecastFigures } from '../figures/forecast/query.ts';
import type { Asked } from '../figures/query-cells.ts';
import type { QueueFigures } from '../figures/queue/figures.ts';
import { queueFigures } from '../figures/queue/query.ts';
import type { ReliabilityFigures } from '../figures/reliability/figures.ts';
import { reliabilityFigures } from '../figures/reliability/query.ts';
import type { RightSizeFigures } from '../figures/right-size/figures.ts';
import { rightSizeFigures } from '../figures/right-size/query.ts';
import { askedOf, asParameter, windowOf, type AskedWindow } from './asked.ts';
import {
  BILL_ASKED,
  FORECAST_ASKED,
  QUEUE_ASKED,
  RELIABILITY_ASKED,
  RIGHT_SIZE_ASKED,
} from './planning-asked.ts';
import type { Serving } from './serving.ts';

/** Figures for planners, as the parameters of an address ask for them: those of the command line. */

type How = Pick<Serving, 'config' | 'costs'>;

/** @throws what `askedOf`, `reportWindow` and `queueFigures` throw */
export async function readQueue(db: Asked, { config }: How, query: unknown): Promise<QueueFigures> {
  const { cluster, ...window } = askedOf(QUEUE_ASKED, query);
  return await queueFigures(db, config.lanes, {
    ...{ ...windowUs(window, '7d'), idleLimits: config.idle },
    ...ofCluster(cluster),
  });
}

/** @throws what `askedOf`, `reportWindow` and `forecastFigures` throw */
export async function readForecast(db: Asked, { config }: How, query: unknown): Promise<ForecastFigures> {
  const { cluster, horizon = HORIZON_WEEKS_MAX, ...window } = askedOf(FORECAST_ASKED, query);
  return await forecastFigures(db, config.lanes, {
    ...{ ...windowUs(window, LOOKS_BACK.forecast), horizonWeeks: horizon },
    ...ofCluster(cluster),
  });
}

/** @throws what `askedOf`, `reportWindow` and `reliabilityFigures` throw */
export async function readReliability(
  db: Asked,
  { config }: How,
  query: unknown,
): Promise<ReliabilityFigures> {
  const { cluster, ...window } = askedOf(RELIABILITY_ASKED, query);
  return await reliabilityFigures(db, config.lanes, {
    ...windowUs(window, LOOKS_BACK.reliability),
    ...ofCluster(cluster),
  });
}

/** @throws what `askedOf`, `reportWindow` and `rightSizeFigures` throw */
export async function readRightSize(db: Asked, { config }: How, query: unknown): Promise<RightSizeFigures> {
  const { cluster, 'what-if': whatIfs = [], ...window } = askedOf(RIGHT_SIZE_ASKED, query);
  const nowUs = Date.now() * 1000;
  return await rightSizeFigures(db, config.lanes, {
    ...{ ...windowUs(window, LOOKS_BACK.rightSize, nowUs), nowUs, whatIfs },
    ...ofCluster(cluster),
  });
}

/** As it was issued, or what it would be by now: nothing is stored. @throws what `askedOf`, `readBill` and `shownBill` throw */
export async function readServedBill(
  db: Asked,
  { config, costs: rates }: How,
  query: unknown,
): Promise<BillFigures> {
  const { month, version, by = 'account', cluster } = askedOf(BILL_ASKED, query);
  const { lanes, timeZone, costs } = config;
  const of = { lanes, rates, timeZone, idleTailCredit: costs.idleTailCredit };
  const found = await readBill(db, of, { month, version, nowUs: Date.now() * 1000 });
  return await shownBill(db, found, { by, cluster });
}

/** Of the page for planners. */
export function planAsked(window: AskedWindow): WindowFlags {
  return lookingBack(windowOf(window), LOOKS_BACK.plan);
}

function windowUs(window: AskedWindow, since: string, nowUs = Date.now() * 1000): ReportWindow {
  return reportWindow(lookingBack(windowOf(window), since), nowUs, asParameter);
}

function ofCluster(cluster: string | undefined): { readonly cluster?: string } {
  return cluster === undefined ? {} : { cluster };
}
