import * as z from 'zod';
import { renderNodePage } from '../../report/page/served/node-page.ts';
import { operatorsOnly } from '../operators-only.ts';
import { readNode } from '../reads.ts';
import { sendPage } from '../send-page.ts';
import type { App, Serving } from '../serving.ts';

/** What there is on a node, and what happened there. */
export function addNodePage(app: App, serving: Serving): void {
  const schema = { params: z.object({ name: z.string() }) };
  app.get('/node/:name', { schema, preHandler: operatorsOnly }, async (request, reply) => {
    const { name } = request.params;
    const figures = await readNode(serving.storeFor(request), serving, name, request.query);
    const [assets, served] = [serving.assets.still, serving.servedTo(request.viewer)];
    const json = served.links.api(['nodes', name], request.query as Readonly<Record<string, string>>);
    const page = renderNodePage(figures, Date.now() * 1000, {
      assets,
      version: serving.version,
      served,
      json,
    });
    return await sendPage(reply, page, { assets, served });
  });
}
