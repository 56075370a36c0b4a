import { textAnswer, type Answer } from './answer.ts';
import type { Answerer } from './scrapes.ts';

export interface RoutesOptions {
  readonly scrape: Answerer;
  /** While the set of counters is being swapped. */
  readonly isReloading: () => boolean;
}

/** What is answered, by path. */
export function createRoutes({ scrape, isReloading }: RoutesOptions): Answerer {
  return async (request, over) => {
    const [path] = (request.url ?? '').split('?', 1);
    if (path === '/metrics') return await scrape(request, over);
    if (path === '/health') return health(isReloading());
    return path === '/' ? LINKS : textAnswer(404, '404 page not found');
  };
}

/** Probes look at the status alone, which is the same while it reloads. */
function health(isReloading: boolean): Answer {
  return {
    status: 200,
    contentType: 'text/plain; charset=utf-8',
    body: isReloading ? 'OK - reload in progress' : 'OK',
    headers: isReloading
      ? { 'X-Registry-Available': 'false', 'X-Reload-In-Progress': 'true' }
      : { 'X-Registry-Available': 'true' },
  };
}

const LINKS: Answer = {
  status: 200,
  contentType: 'text/html; charset=utf-8',
  body: `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="generator" content="gpuledger"><title>GPU metrics</title></head>
<body>
<h1>GPU metrics</h1>
<p><a href="./metrics">Metrics</a></p>
<p><a href="./health">Health</a></p>
</body>
</html>
`,
};
