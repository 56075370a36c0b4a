import { nearestWords } from '../../../schemas/nearest.ts';
import { quoteName } from '../../../schemas/tables.ts';
import { visibleText } from '../../../schemas/visible-text.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import type { KnownDevice } from './devices.ts';
import { isJobName, type CapacityFilter, type CapacityName, type JobName } from './figures.ts';

/** Names that a refusal lists, where none is near. */
const LISTED_MAX = 8;

/** What of the fleet is asked about. */
export interface Chosen {
  readonly cluster: string | undefined;
  readonly where: readonly CapacityFilter[];
}

/**
 * The devices that fit the filters; names of jobs choose none.
 * @throws OperatingError `report.unknown_cluster`, `report.unknown_name`: of a name that nothing in the window has
 */
export async function chosenDevices(
  db: Asked,
  window: Span,
  devices: readonly KnownDevice[],
  { cluster, where }: Chosen,
): Promise<KnownDevice[]> {
  const own = devices.filter(({ kind }) => kind !== 'cut');
  if (cluster !== undefined && !own.some((device) => device.cluster === cluster))
    throw unknownCluster(db, cluster, new Set(own.map((device) => device.cluster)));
  for (const { by, names } of where) {
    const known = isJobName(by)
      ? await jobNames(db, window, by)
      : new Set(devices.flatMap((device) => namesOf(device, by)));
    for (const name of names) if (!known.has(name)) throw unknownName(db, by, name, [...known].sort());
  }
  const asked = where.filter(({ by }) => !isJobName(by));
  return devices.filter(
    (device) =>
      (cluster === undefined || device.cluster === cluster) &&
      asked.every(({ by, names }) => namesOf(device, by).some((name) => names.includes(name))),
  );
}

/** Whether a device fits the filters that are of devices. */
function namesOf({ nodes, model, cluster }: KnownDevice, by: CapacityName): readonly string[] {
  if (by === 'node') return nodes;
  const name = by === 'model' ? model : cluster;
  return name === undefined ? [] : [name];
}

/** All that jobs of the window have. */
async function jobNames(db: Asked, { fromUs, toUs }: Span, by: JobName): Promise<ReadonlySet<string>> {
  const rows = await ask(
    db,
    `SELECT DISTINCT cast(${quoteName(by)} AS STRING) AS name FROM jobs WHERE ts < ${quoteTime(toUs)}` +
      ` AND (end_ts IS NULL OR end_ts >= ${quoteTime(fromUs)}) AND ${quoteName(by)} IS NOT NULL`,
  );
  return new Set(rows.flatMap((row) => row.text('name') ?? []));
}

function unknownName(db: Asked, by: CapacityName, name: string, known: readonly string[]): OperatingError {
  const near = nearestWords(name, known, 3).map(visibleText);
  const listed =
    known.slice(0, LISTED_MAX).map(visibleText).join(', ') + (known.length > LISTED_MAX ? ', …' : '');
  const what = isJobName(by) ? `no job of the window has the ${by}` : `no GPU of the window has the ${by}`;
  return new OperatingError(`${what} "${visibleText(name)}"`, {
    code: 'report.unknown_name',
    exit: 'usage',
    where: `${db.where}, ${isJobName(by) ? 'table jobs' : 'table gpu_inventory and the samples'}`,
    hints: [
      near.length > 0
        ? `did you mean ${near.join(' or ')}?`
        : known.length > 0
          ? `those there: ${listed}`
          : `nobody told the ${by} of any`,
    ],
  });
}

function unknownCluster(db: Asked, cluster: string, known: ReadonlySet<string | undefined>): OperatingError {
  const names = [...known].filter((name) => name !== undefined).sort();
  return new OperatingError(`no cluster "${visibleText(cluster)}": no GPU is known to be of it`, {
    code: 'report.unknown_cluster',
    exit: 'usage',
    where: `${db.where}, tables gpu_inventory and the samples of the window`,
    hints: [
      names.length > 0
        ? `the clusters there: ${names.map(visibleText).join(', ')}`
        : 'no GPU there has the name of a cluster: see the key cluster in docs/configuration.md',
    ],
  });
}
