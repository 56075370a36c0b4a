import * as z from 'zod';
import { findNamedQuery, readNamedQueries } from '../../queries/query-files.ts';
import { ASK_FIELD, renderQueriesPage, renderQueryPage } from '../../report/page/served/queries-page.ts';
import { givenOf } from '../asked.ts';
import { operatorsOnly } from '../operators-only.ts';
import { readQuery } from '../reads.ts';
import { sendPage } from '../send-page.ts';
import type { App, Serving } from '../serving.ts';

/** The named queries, and the answer of each. */
export function addQueriesPages(app: App, serving: Serving): void {
  const { version } = serving;
  const assets = serving.assets.still;
  app.get('/queries', { preHandler: operatorsOnly }, async (request, reply) => {
    const served = serving.servedTo(request.viewer);
    const frame = { assets, version, served, json: served.links.api(['queries']) };
    return await sendPage(reply, renderQueriesPage(readNamedQueries(), frame), { assets, served });
  });
  const schema = { params: z.object({ name: z.string() }) };
  app.get('/queries/:name', { schema, preHandler: operatorsOnly }, async (request, reply) => {
    const query = findNamedQuery(request.params.name);
    const given = givenOf(request.query, [...query.parameters.keys(), ASK_FIELD]);
    const isAsked = given.size > 0;
    given.delete(ASK_FIELD);
    const answered = isAsked ? await readQuery(serving.storeFor(request), serving, query, given) : undefined;
    const served = serving.servedTo(request.viewer);
    const json = isAsked
      ? { json: served.links.api(['queries', query.name], Object.fromEntries(given)) }
      : {};
    const page = renderQueryPage(query, given, answered, { assets, version, served, ...json });
    return await sendPage(reply, page, { assets, served });
  });
}
