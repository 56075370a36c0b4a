import { createServer as createHttpServer } from 'node:http';
import fastify from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { VERSION } from '../config/package-version.ts';
import type { Tell } from '../core/base/notice.ts';
import type { CostRates } from '../core/costs/costs.ts';
import type { Asked } from '../figures/query-cells.ts';
import { readPageAssets, readStillAssets } from '../report/page/assets.ts';
import type { Access } from './access/access.ts';
import { addAccess } from './access/add-access.ts';
import { createTlsServer } from './access/tls-server.ts';
import { addHealth } from './routes/healthz.ts';
import { addJobPage } from './routes/job.ts';
import type { App, ServeConfig, Serving } from './serving.ts';

export interface ServerOptions {
  readonly db: Asked;
  readonly config: ServeConfig;
  /** What GPU time and energy cost; undefined where nothing is configured. */
  readonly costs: CostRates | undefined;
  /** Who may see what. */
  readonly access: Access;
  readonly tell: Tell;
}

/**
 * The web server, which does not listen yet: pages and their figures, read from the store and nothing written.
 * @throws OperatingError `page.incomplete`
 */
export function createServer({ db, config, costs, access, tell }: ServerOptions): App {
  const app = fastify({
    serverFactory: (handler) =>
      access.tls === undefined ? createHttpServer(handler) : createTlsServer(access.tls, handler),
    forceCloseConnections: true,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  addAccess(app, access);
  const serving: Serving = {
    config,
    costs,
    assets: { drawn: readPageAssets(), still: readStillAssets() },
    version: VERSION,
    tell,
    storeFor: () => db,
  };
  addHealth(app, serving);
  addJobPage(app, serving);
  return app;
}
