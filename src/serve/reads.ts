import type { FastifyRequest } from 'fastify';
import { reportWindow } from '../figures/asked/report-window.ts';
import type { CapacityFigures } from '../figures/capacity/figures.ts';
import { narrowedTo } from '../figures/capacity/narrowed.ts';
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
  const { by = { by: 'account' as const }, cluster, ...window } = askedOf(CAPACITY_ASKED, query);
  const figures = await capacityFigures(db, config.lanes, {
    ...reportWindow(windowOf(window), Date.now() * 1000, asParameter),
    ...by,
    ...(cluster === undefined ? {} : { cluster }),
    ...{ idleLimits: config.idle, costs },
  });
  return narrowedTo(sightOf(viewer), figures);
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
