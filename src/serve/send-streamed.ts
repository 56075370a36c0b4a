import type { FastifyReply, FastifyRequest } from 'fastify';
import { markup } from '../report/page/html.ts';
import { afterHead, pageHead, type PageAssets } from '../report/page/page.ts';
import { refusalBody } from '../report/page/served/refusal-page.ts';
import type { Served } from '../report/page/served/nav.ts';
import { tellOf, titleOf } from './add-refusals.ts';
import { refusalOf } from './errors.ts';
import { streamPage, type PageRest } from './page-stream.ts';
import { sendPage } from './send-page.ts';
import type { Serving } from './serving.ts';
import type { ReaderStore } from './store-questions.ts';

interface Streamed {
  readonly title: string;
  readonly assets: PageAssets;
  readonly served: Served;
  readonly db: ReaderStore;
  /** The whole page, of `pageText`; one that is not whole says so itself. */
  readonly make: () => Promise<{ readonly page: string; readonly isWhole: boolean }>;
}

/** Sends the head of a page at once, then how far it is, and the rest when all has been asked. What goes wrong stands in the page. */
export async function sendStreamed(
  serving: Pick<Serving, 'tell'>,
  request: FastifyRequest,
  reply: FastifyReply,
  { title, assets, served, db, make }: Streamed,
): Promise<FastifyReply> {
  const head = pageHead(title, assets, served);
  const page =
    request.method === 'HEAD'
      ? head
      : streamPage(head, restOf(serving, request, { served, make }), progressOf(db));
  return await sendPage(reply, page, { assets, served });
}

/** What comes after the head. Never rejects. */
async function restOf(
  { tell }: Pick<Serving, 'tell'>,
  request: FastifyRequest,
  { served, make }: Pick<Streamed, 'served' | 'make'>,
): Promise<PageRest> {
  try {
    const { page, isWhole } = await make();
    return { text: afterHead(page, served), isWhole };
  } catch (thrown) {
    if (request.left.aborted) return { text: '', isWhole: false };
    const refusal = refusalOf(thrown, request.viewer.isOperator);
    tellOf(thrown, refusal, tell);
    return { text: refusalBody(refusal, titleOf(refusal.status)).safe, isWhole: false };
  }
}

/** Answers so far, each number once. */
function progressOf(db: ReaderStore): () => string | undefined {
  let told = 0;
  return () => {
    const answers = db.answered();
    if (answers === told) return undefined;
    told = answers;
    return markup`<p class="asking" role="status">asking QuestDB, ${answers} ${answers === 1 ? 'answer' : 'answers'} so far</p>
`.safe;
  };
}
