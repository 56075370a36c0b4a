import swagger from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import type { App, Serving } from '../../serving.ts';
import { EVERYBODY } from '../../viewer.ts';
import { addPlanningApi } from './planning.ts';
import { addQueriesApi } from './queries.ts';
import { addReportsApi } from './reports.ts';

const ABOUT =
  'What the command line prints with --json, read from QuestDB. Numbers are in base units with the unit in the name, times are epoch microseconds, and what is not known is left out. A job that you may not see is answered like one that there is not.';

/** What programs read, below `/api/v1`, and its description. */
export function addApi(app: App, serving: Serving): void {
  // It sees the routes that come after it.
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'gpuledger', version: serving.version, description: ABOUT },
      servers: [{ url: serving.servedTo(EVERYBODY).links.fleet }],
    },
    transform: jsonSchemaTransform,
  });
  void app.register((scope, _options, done) => {
    const api: App = scope.withTypeProvider();
    addReportsApi(api, serving);
    addPlanningApi(api, serving);
    addQueriesApi(api, serving);
    api.get('/api/v1/openapi.json', { schema: { hide: true } }, (_request, reply) =>
      reply.type('application/json; charset=utf-8').send(`${JSON.stringify(app.swagger(), undefined, 2)}\n`),
    );
    done();
  });
}
