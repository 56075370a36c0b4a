import type { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { policyOf, type PageAssets } from '../report/page/page.ts';
import type { Served } from '../report/page/served/nav.ts';

interface PageParts {
  /** Those that are in it. */
  readonly assets: PageAssets;
  readonly served: Served;
}

/** Sends a page, whose browser may do nothing but show it. */
export function sendPage(reply: FastifyReply, page: string | Readable, parts: PageParts): FastifyReply {
  setPolicy(reply, parts);
  return reply.type('text/html; charset=utf-8').send(page);
}

/** Says that the page which the browser holds is the one it asks for: the headers of the answer become those of that page. */
export async function sendSame(reply: FastifyReply, parts: PageParts): Promise<FastifyReply> {
  setPolicy(reply, parts);
  return await reply.code(304).send();
}

function setPolicy(reply: FastifyReply, { assets, served }: PageParts): void {
  reply.header('content-security-policy', `${policyOf(assets, served)}; frame-ancestors 'none'`);
}
