import type { FastifyReply } from 'fastify';
import type { App } from '../serving.ts';
import type { Access } from './access.ts';
import type { Refusal } from './refusal.ts';

/** Paths that tell nothing of anybody: for load balancers, which have no name. */
const FOR_ANYBODY = new Set(['/healthz']);

/** Lets nobody to any route, nor to the page that says there is none, before it is known who he is. */
export function addAccess(app: App, access: Access): void {
  app.decorateRequest('viewer');
  app.addHook('onRequest', async (request, reply) => {
    const wrong = access.formOf(request.raw);
    if (wrong !== undefined) return await refuse(reply, wrong);
    if (FOR_ANYBODY.has(request.routeOptions.url ?? '')) return undefined;
    const decision = await access.identify(request.raw);
    if (decision.kind === 'refused') return await refuse(reply, decision.refusal);
    request.viewer = decision.viewer;
    return undefined;
  });
}

/** Plain text or JSON: whoever is refused gets no page of ours. */
async function refuse(reply: FastifyReply, { status, sentence, headers }: Refusal): Promise<FastifyReply> {
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  reply.code(status).header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
  return reply.request.url.startsWith('/api/')
    ? await reply.send({ error: { message: sentence } })
    : await reply.type('text/plain; charset=utf-8').send(`${sentence}\n`);
}
