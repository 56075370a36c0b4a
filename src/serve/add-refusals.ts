import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Tell } from '../core/base/notice.ts';
import { messageOf, OperatingError, sentenceOf } from '../core/base/errors.ts';
import { renderRefusalPage } from '../report/page/served/refusal-page.ts';
import { refusalOf, type Refusal } from './errors.ts';
import { sendPage } from './send-page.ts';
import { SAFE_HEADERS } from './safe-headers.ts';
import type { App, Serving } from './serving.ts';
import { NOBODY, type Viewer } from './viewer.ts';

/** Whatever is thrown on the way to an answer becomes one: a page, or JSON below `/api/`; a defect is told in the log. */
export function addRefusals(app: App, serving: Serving): void {
  app.setErrorHandler((thrown, request, reply) => {
    // Nobody hears it.
    if (request.left.aborted) return reply.send();
    return refuse(reply, thrown, serving);
  });
  app.setNotFoundHandler((request, reply) => refuse(reply, unknownPage(request), serving));
}

/** Answers with what went wrong. */
export function refuse(reply: FastifyReply, thrown: unknown, serving: Serving): FastifyReply {
  const refusal = refusalOf(thrown, viewerOf(reply).isOperator);
  tellOf(thrown, refusal, serving.tell);
  return sendRefusal(reply, refusal, serving);
}

/** Of an address that is none nobody has been asked who he is. */
function viewerOf({ request }: { readonly request: { readonly viewer?: Viewer } }): Viewer {
  return request.viewer ?? NOBODY;
}

/** As a page, or as JSON for programs. */
export function sendRefusal(
  reply: FastifyReply,
  { status, code, sentence, hints, retryAfterSeconds }: Omit<Refusal, 'isTold'>,
  serving: Serving,
): FastifyReply {
  reply.removeHeader('etag');
  reply.headers(SAFE_HEADERS).code(status);
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
  if (isForPrograms(reply.request))
    return reply
      .type('application/json; charset=utf-8')
      .send(`${JSON.stringify({ error: { code, message: sentence, hints } })}\n`);
  const how = { assets: serving.assets.still, served: serving.servedTo(viewerOf(reply)) };
  return sendPage(reply, renderRefusalPage(titleOf(status), { sentence, hints }, how), how);
}

/** Tells the log of what those have to mend who operate the server. */
export function tellOf(thrown: unknown, { isTold }: Refusal, tell: Tell): void {
  if (!isTold) return;
  const isOfWorld = thrown instanceof OperatingError;
  const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown);
  tell({
    level: 'error',
    code: isOfWorld ? thrown.code : 'serve.defect',
    sentence: isOfWorld ? sentenceOf(thrown) : `a defect of gpuledger, please report it: ${stack}`,
  });
}

export function titleOf(status: number): string {
  if (status === 401) return 'Who asks?';
  if (status === 403) return 'Not for you';
  if (status === 404) return 'Not found';
  if (status === 422) return 'Too much at once';
  if (status === 429 || status === 503) return 'Not now';
  return status < 500 ? 'Not understood' : 'A defect';
}

function isForPrograms({ url }: FastifyRequest): boolean {
  return url.startsWith('/api/') || url === '/healthz';
}

function unknownPage({ viewer }: FastifyRequest): OperatingError {
  const pages = [
    '/',
    '/plan',
    '/jobs',
    '/job/ID',
    '/user/NAME',
    '/node/NAME',
    ...(viewer.isOperator ? ['/queries'] : []),
  ];
  return new OperatingError('there is no page at this address', {
    code: 'serve.unknown_page',
    exit: 'usage',
    hints: [`pages: ${pages.join(', ')}`, 'for programs: /api/v1/openapi.json'],
  });
}
