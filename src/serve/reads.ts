import type { FastifyRequest } from 'fastify';
import { reportWindow } from '../figures/asked/report-window.ts';
import type { ErrorCode } from '../core/base/error-codes.ts';
import { OperatingError } from '../core/base/errors.ts';
import { CAPACITY_NAMES, type CapacityFigures, type CapacityFilter } from '../figures/capacity/figures.ts';
import { isNameFor, narrowedTo } from '../figures/capacity/narrowed.ts';
import { capacityFigures } from '../figures/capacity/query.ts';
import { jobsFigures } from '../figures/job/jobs.ts';
import { JOB_FILTERS, type JobOrder, type JobsFigures } from '../figures/job/jobs-figures.ts';
import type { NodeFigures } from '../figures/node/figures.ts';
import { nodeFigures } from '../figures/node/query.ts';
import { execute, type Asked } from '../figures/query-cells.ts';
import { userFigures } from '../figures/user/user.ts';
import type { UserFigures } from '../figures/user/user-figures.ts';
import { fillQuery, type FilledQuery } from '../queries/query-sql.ts';
import type { NamedQuery } from '../../schemas/query-file.ts';
import type { QueryResult } from '../../schemas/questdb-reply.ts';
import {
  askedOf,
  asParameter,
  CAPACITY_ASKED,
  JOBS_ASKED,
  NODE_ASKED,
  USER_ASKED,
  windowOf,
} from './asked.ts';
import type { Serving } from './serving.ts';
import type { Sight } from '../figures/sight.ts';
import { sightOf } from './viewer.ts';

/**
 * Figures, as the parameters of an address ask for them: the same for a page and for `/api/v1`, and those of the command line. Each throws
 * `serve.parameter`, `report.window` and what its figures throw.
 */

type How = Pick<Serving, 'config' | 'costs'>;

/** @param order of those who do not say */
export async function readJobs(
  db: Asked,
  { config, costs }: How,
  { query, viewer }: Pick<FastifyRequest, 'query' | 'viewer'>,
  order: JobOrder,
): Promise<JobsFigures> {
  const asked = askedOf(JOBS_ASKED, query);
  const nowUs = Date.now() * 1000;
  const filters = Object.fromEntries(
    JOB_FILTERS.flatMap((key) => (asked[key] === undefined ? [] : [[key, asked[key]]])),
  );
  return await jobsFigures(db, config.lanes, {
    ...reportWindow(windowOf(asked), nowUs, asParameter),
    ...{ filters, order: asked.sort ?? order, nowUs, sight: sightOf(viewer) },
    ...{ idleLimits: config.idle, costs },
  });
}

export async function readUser(
  db: Asked,
  { config, costs }: How,
  user: string,
  query: unknown,
): Promise<UserFigures> {
  const { cluster, ...window } = askedOf(USER_ASKED, query);
  const nowUs = Date.now() * 1000;
  return await userFigures(db, config.lanes, {
    ...reportWindow(windowOf(window), nowUs, asParameter),
    ...{ user, nowUs, idleLimits: config.idle, costs },
    ...(cluster === undefined ? {} : { cluster }),
  });
}

export async function readNode(
  db: Asked,
  { config, costs }: How,
  node: string,
  query: unknown,
): Promise<NodeFigures> {
  const nowUs = Date.now() * 1000;
  return await nodeFigures(db, config.lanes, {
    ...reportWindow(windowOf(askedOf(NODE_ASKED, query)), nowUs, asParameter),
    ...{ node, nowUs, idleLimits: config.idle, costs },
  });
}

export async function readCapacity(
  db: Asked,
  { config, costs }: How,
  { query, viewer }: Pick<FastifyRequest, 'query' | 'viewer'>,
): Promise<CapacityFigures> {
  const asked = askedOf(CAPACITY_ASKED, query);
  const { by = { by: 'account' as const }, cluster, top, ...window } = asked;
  const sight = sightOf(viewer);
  const where = FILTERS.flatMap((name) => {
    const value = asked[name];
    return value === undefined ? [] : [{ by: name, names: [value] }];
  });
  for (const filter of where) requireSight(sight, filter);
  const figures = await seenAlone(
    sight,
    async () =>
      await capacityFigures(db, config.lanes, {
        ...reportWindow(windowOf(window), Date.now() * 1000, asParameter),
        ...by,
        where,
        ...(top === undefined ? {} : { top }),
        ...(cluster === undefined ? {} : { cluster }),
        ...{ timeZone: config.timeZone, idleLimits: config.idle, costs },
      }),
  );
  return narrowedTo(sight, figures);
}

/** What a name may have been meant to be is a list of names. @throws what `read` throws, without them where not all may be seen */
export async function seenAlone<T>(sight: Sight | undefined, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (thrown) {
    if (sight === undefined || !(thrown instanceof OperatingError) || !NAMING.has(thrown.code)) throw thrown;
    throw new OperatingError(thrown.message, { code: thrown.code, exit: thrown.exit });
  }
}

/** Of names that there are not: the hints have those that there are. */
const NAMING: ReadonlySet<ErrorCode> = new Set(['report.unknown_name', 'report.unknown_cluster']);

/** A cluster has a parameter of its own. */
const FILTERS = CAPACITY_NAMES.filter((name) => name !== 'cluster');

/**
 * Sums of what somebody may not see by name are told only together with those of all others.
 * @throws OperatingError `report.unknown_name`, as of a name that there is not
 */
function requireSight(sight: Sight | undefined, { by, names }: CapacityFilter): void {
  const hidden = names.find((name) => sight !== undefined && !isNameFor(sight, by, name));
  if (hidden === undefined) return;
  throw new OperatingError(`no ${by} "${hidden}" that you may see`, {
    code: 'report.unknown_name',
    exit: 'usage',
    hints: ['you may see your own, those of your accounts, and models of GPUs'],
  });
}

/** @param given by parameter, as typed @throws OperatingError `query.parameter`, `query.lane` */
export async function readQuery(
  db: Asked,
  { config }: How,
  query: NamedQuery,
  given: ReadonlyMap<string, string>,
): Promise<{ readonly filled: FilledQuery; readonly answer: QueryResult }> {
  const filled = fillQuery(query, given, config.lanes, Date.now() * 1000);
  return { filled, answer: await execute(db, filled.sql) };
}
