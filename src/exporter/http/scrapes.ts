import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import { OperatingError, sentenceOf } from '../../core/base/errors.ts';
import { createFaultEpisode } from '../../core/base/fault-episode.ts';
import type { Tell } from '../../core/base/notice.ts';
import { acceptsGzip } from './accepts-gzip.ts';
import { textAnswer, type Answer } from './answer.ts';

export interface ScrapesOptions {
  readonly render: () => { readonly text: string; readonly contentType: string };
  /** So many are answered at once: one lasts until its scraper has all of it. */
  readonly concurrentScrapesMax: number;
  readonly tell: Tell;
}

/** Answers a request. @param over aborted once the answer is at its end */
export type Answerer = (request: IncomingMessage, over: AbortSignal) => Promise<Answer>;

/** What all scrapers of one turn get. */
interface Rendered {
  readonly contentType: string;
  readonly body: Buffer;
  /** Once somebody asks for it. */
  zipped?: Promise<Buffer>;
}

/** A scraper that comes again so late is not told the same. */
const RETRY_AFTER_SECONDS = '1';

const zip = promisify(gzip);

/** Answers /metrics. */
export function createScrapes(options: ScrapesOptions): Answerer {
  const { concurrentScrapesMax } = options;
  const rendered = createRendering(options);
  let underway = 0;
  return async (request, over) => {
    if (underway >= concurrentScrapesMax)
      return textAnswer(503, `${concurrentScrapesMax} scrapes are being answered: try again`, {
        'Retry-After': RETRY_AFTER_SECONDS,
      });
    underway += 1;
    over.addEventListener('abort', () => {
      underway -= 1;
    });
    const now = rendered();
    if (now === undefined) return textAnswer(500, 'internal server error');
    const { contentType, body } = now;
    // A cache between must not hand to one what another asked for.
    const headers = { Vary: 'Accept-Encoding' };
    if (!acceptsGzip(request.headersDistinct['accept-encoding']?.join(',')))
      return { status: 200, contentType, body, headers };
    now.zipped ??= zip(body);
    return {
      status: 200,
      contentType,
      body: await now.zipped,
      headers: { ...headers, 'Content-Encoding': 'gzip' },
    };
  };
}

/** @returns what is rendered once for all that ask in one turn of the event loop; undefined where it cannot be */
function createRendering({ render, tell }: ScrapesOptions): () => Rendered | undefined {
  const episode = createFaultEpisode(tell, 'error');
  let held: { readonly now: Rendered | undefined } | undefined;
  const renderNow = (): Rendered | undefined => {
    try {
      const { text, contentType } = render();
      episode.end();
      return { contentType, body: Buffer.from(text) };
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      episode.fail(thrown, `scrapes are answered with an error (500): ${sentenceOf(thrown)}`);
      return undefined;
    }
  };
  return () => {
    if (held === undefined) {
      held = { now: renderNow() };
      setImmediate(() => {
        held = undefined;
      });
    }
    return held.now;
  };
}
