import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** So often a reader is told how far it is. */
const PROGRESS_MS = 500;

export interface PageRest {
  readonly text: string;
  /** Else it tells what went wrong, and the answer ends as one that was cut off: no browser keeps it for the page. */
  readonly isWhole: boolean;
}

/**
 * A page whose beginning is sent at once, and the rest when it has been made; in between, how far it is.
 * @param rest never rejects @param progress text of the page, or undefined where there is nothing new
 */
export function streamPage(
  head: string,
  rest: Promise<PageRest>,
  progress: () => string | undefined,
): Readable {
  return Readable.from(parts(head, rest, progress));
}

async function* parts(
  head: string,
  rest: Promise<PageRest>,
  progress: () => string | undefined,
): AsyncGenerator<string> {
  yield head;
  for (;;) {
    const timer = new AbortController();
    const pause = sleep(PROGRESS_MS, undefined, { signal: timer.signal }).catch(() => undefined);
    const ready = await Promise.race([rest, pause]);
    timer.abort();
    if (ready !== undefined) {
      yield ready.text;
      if (ready.isWhole) return;
      // What was sent before has left by then.
      await sleep(PROGRESS_MS);
      throw new Error('the page was not made to its end');
    }
    const told = progress();
    if (told !== undefined) yield told;
  }
}
