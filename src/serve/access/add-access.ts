import type { FastifyReply } from 'fastify';
import { sendRefusal } from '../add-refusals.ts';
import type { App, Serving } from '../serving.ts';
import { NOBODY } from '../viewer.ts';
import type { Access } from './access.ts';
import type { Refusal } from './refusal.ts';

/** Paths that tell nothing of anybody: for load balancers, which have no name. */
const FOR_ANYBODY = new Set(['/healthz']);

/** Lets nobody to any route, nor to the page that says there is none, before it is known who he is. */
export function addAccess(app: App, access: Access, serving: Serving): void {
  app.decorateRequest('viewer');
  app.addHook('onRequest', async (request, reply) => {
    request.viewer = NOBODY;
    const wrong = access.formOf(request.raw);
    if (wrong !== undefined) return await refuse(reply, wrong, serving);
    if (FOR_ANYBODY.has(request.routeOptions.url ?? '')) return undefined;
    const decision = await access.identify(request.raw);
    if (decision.kind === 'refused') return await refuse(reply, decision.refusal, serving);
    request.viewer = decision.viewer;
    return undefined;
  });
}

async function refuse(
  reply: FastifyReply,
  { status, sentence, headers, retryAfterSeconds }: Refusal,
  serving: Serving,
): Promise<FastifyReply> {
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  const told = { status, code: 'serve.refused', sentence, hints: [], retryAfterSeconds };
  return await sendRefusal(reply, told, serving);
}
