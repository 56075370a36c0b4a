import type { Config } from '../config/config.ts';
import { VERSION } from '../config/package-version.ts';
import type { CapacityFigures, CapacityTimes } from '../figures/capacity/figures.ts';
import { narrowedTo, timesNarrowedTo } from '../figures/capacity/narrowed.ts';
import {
  capacityFigures,
  capacityTimes,
  readWindow,
  type CapacityQueryOptions,
} from '../figures/capacity/query.ts';
import { askedOnce } from '../figures/asked-once.ts';
import type { Asked } from '../figures/query-cells.ts';
import { readStillAssets } from '../report/page/assets.ts';
import { renderCapacityPage } from '../report/page/fleet/capacity-page.ts';
import { drawnPeriod } from '../report/page/fleet/periods-chart.ts';
import type { FleetSections } from '../report/page/fleet/sections.ts';
import { fleetSections, narrowedOptions, type Told } from './sections.ts';

/** What the page of the fleet is made of. */
export interface FleetPage {
  readonly figures: CapacityFigures;
  /** The same time by days, weeks or months; undefined where it is too short for that, or not asked for. */
  readonly days?: CapacityTimes | undefined;
  readonly sections?: FleetSections | undefined;
}

/** Of a window without samples the figures alone. @throws what `capacityFigures` throws */
export async function askFleetPage(
  db: Asked,
  { lanes }: Pick<Config, 'lanes'>,
  asked: CapacityQueryOptions,
): Promise<FleetPage> {
  const once = askedOnce(db);
  const figures = capacityFigures(once, lanes, asked);
  const beside = askBeside(once, { lanes }, asked, figures);
  // Where the figures fail, or tell of nothing, it is no matter how what would stand beside them ends.
  beside.catch(() => undefined);
  const told = await figures;
  return told.samples === 0 ? { figures: told } : { figures: told, ...(await beside) };
}

/**
 * What is drawn beside the figures that are there already, and these as whoever looks may see them.
 * @param figures of these options, whole @throws what `capacityFigures` throws
 */
export async function fleetPageOf(
  db: Asked,
  conf: Pick<Config, 'lanes'>,
  asked: CapacityQueryOptions,
  figures: CapacityFigures,
  told: Told = {},
): Promise<FleetPage> {
  const { sight } = told;
  if (figures.samples === 0) return { figures: narrowedTo(sight, figures) };
  const beside = await askBeside(askedOnce(db), conf, asked, Promise.resolve(figures), told);
  return { figures: narrowedTo(sight, figures), ...beside };
}

/** Asked for while the figures are added up. */
async function askBeside(
  db: Asked,
  { lanes }: Pick<Config, 'lanes'>,
  asked: CapacityQueryOptions,
  figures: Promise<CapacityFigures>,
  told: Told = {},
): Promise<Omit<FleetPage, 'figures'>> {
  const { window } = await readWindow(db, lanes, asked);
  const period = drawnPeriod(window);
  const ofDays = { ...narrowedOptions(asked), costs: asked.costs, by: 'cluster' as const };
  const [days, sections] = await Promise.all([
    period && capacityTimes(db, lanes, { ...ofDays, every: period }),
    fleetSections(db, { lanes }, asked, { window, figures }, told),
  ]);
  return { days: days && timesNarrowedTo(told.sight, days), sections };
}

/** The page in one file. @throws OperatingError `page.incomplete` */
export function fleetPageHtml({ figures, days, sections }: FleetPage): string {
  return renderCapacityPage(figures, { assets: readStillAssets(), version: VERSION, days, sections });
}
