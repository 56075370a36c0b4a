import { createServer as createHttpServer } from 'node:http';
import fastify from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { VERSION } from '../config/package-version.ts';
import type { Tell } from '../core/base/notice.ts';
import type { CostRates } from '../core/costs/costs.ts';
import type { Asked } from '../figures/query-cells.ts';
import { readPageAssets, readServedAssets } from '../report/page/assets.ts';
import { linksFrom } from '../report/page/links.ts';
import type { Access } from './access/access.ts';
import { addAccess } from './access/add-access.ts';
import { createTlsServer } from './access/tls-server.ts';
import { addRefusals, refuse } from './add-refusals.ts';
import { HTTP_LIMITS, limited } from './limits.ts';
import { addApi } from './routes/api/add-api.ts';
import { addFleetPage } from './routes/fleet.ts';
import { addHealth } from './routes/healthz.ts';
import { addJobPage } from './routes/job.ts';
import { addJobsPage } from './routes/jobs.ts';
import { addNodePage } from './routes/node.ts';
import { addPlanPage } from './routes/plan.ts';
import { addQueriesPages } from './routes/queries.ts';
import { addUserPage } from './routes/user.ts';
import { addJobWindow } from './routes/window.ts';
import { SAFE_HEADERS, TLS_HEADERS } from './safe-headers.ts';
import type { App, ServeConfig, Serving } from './serving.ts';
import { createStoreQuestions, type Bounds } from './store-questions.ts';

export interface ServerOptions {
  readonly db: Asked;
  readonly config: ServeConfig;
  /** What GPU time and energy cost; undefined where nothing is configured. */
  readonly costs: CostRates | undefined;
  /** Who may see what. */
  readonly access: Access;
  readonly tell: Tell;
  /** How much of the store readers may take; the usual when absent. */
  readonly bounds?: Bounds;
}

/** Longer job ids and names are mistakes; each of their bytes may be written as three characters. */
const PARAMETER_LENGTH_MAX = 3 * 256;

/**
 * The web server, which does not listen yet: pages and their figures, read from the store and nothing written.
 * @throws OperatingError `page.incomplete`
 */
export function createServer(options: ServerOptions): App {
  const { access } = options;
  const serving = servingOf(options);
  const app = fastify({
    serverFactory: (handler) =>
      limited(
        access.tls === undefined
          ? createHttpServer(HTTP_LIMITS, handler)
          : createTlsServer(access.tls, HTTP_LIMITS, handler),
      ),
    // Who is being answered at the end of the server has no use for half a page.
    forceCloseConnections: true,
    // An address that is none comes to no hook and no route.
    frameworkErrors: (error, _request, reply) => {
      refuse(reply, error, serving);
    },
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX, caseSensitive: true },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  addReaders(app);
  addAccess(app, access, serving);
  addRefusals(app, serving);
  addHealth(app, serving);
  addFleetPage(app, serving);
  addPlanPage(app, serving);
  addJobsPage(app, serving);
  addJobPage(app, serving);
  addUserPage(app, serving);
  addNodePage(app, serving);
  addQueriesPages(app, serving);
  addApi(app, serving);
  addJobWindow(app, serving);
  return app;
}

/** How long who asks waits, and what holds of every answer. */
function addReaders(app: App): void {
  app.decorateRequest('left');
  app.addHook('onRequest', (request, reply, done) => {
    const left = new AbortController();
    reply.raw.once('close', () => {
      left.abort();
    });
    request.left = left.signal;
    reply.headers(SAFE_HEADERS);
    if (request.protocol === 'https') reply.headers(TLS_HEADERS);
    done();
  });
}

function servingOf({ db, config, costs, tell, bounds }: ServerOptions): Serving {
  const questions = createStoreQuestions(db, bounds);
  const { url } = config.serve;
  const links = linksFrom(url === undefined ? '/' : new URL(url).pathname);
  return {
    config,
    costs,
    assets: { drawn: readServedAssets(readPageAssets()), still: readServedAssets() },
    version: VERSION,
    tell,
    servedTo: ({ name, isOperator }) => ({ links, viewer: name, isOperator }),
    storeFor: ({ left }) => questions.for(left),
  };
}
