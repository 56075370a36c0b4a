import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Config } from '../config/config.ts';
import type { Tell } from '../core/base/notice.ts';
import type { CostRates } from '../core/costs/costs.ts';
import type { PageAssets } from '../report/page/page.ts';
import type { Served } from '../report/page/served/nav.ts';
import type { ReaderStore } from './store-questions.ts';
import type { Viewer } from './viewer.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any route is come to. */
    viewer: Viewer;
    /** Aborts when the reader has been answered or has left. */
    left: AbortSignal;
  }
}

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What the figures and pages of the server depend on, of the configuration. */
export type ServeConfig = Pick<
  Config,
  'lanes' | 'idle' | 'findings' | 'idleWatch' | 'serve' | 'timeZone' | 'costs'
>;

/** What every route has to work with. */
export interface Serving {
  readonly config: ServeConfig;
  /** What GPU time and energy cost; undefined where nothing is configured. */
  readonly costs: CostRates | undefined;
  /** Styles and scripts of pages: on which scripts draw, and of the others. */
  readonly assets: { readonly drawn: PageAssets; readonly still: PageAssets };
  /** Of gpuledger. */
  readonly version: string;
  readonly tell: Tell;
  /** What a page tells of other pages and of who reads it. */
  readonly servedTo: (viewer: Viewer) => Served;
  /**
   * The store, as the sender of a request may ask it: within bounds, and no longer than he waits. Once a request.
   * @throws OperatingError `serve.busy`
   */
  readonly storeFor: (request: FastifyRequest) => ReaderStore;
}
