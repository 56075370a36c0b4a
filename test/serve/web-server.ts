import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { onTestFinished } from 'vitest';
import { USUAL_FINDING_LIMITS } from '../../src/core/analysis/finding-limits.ts';
import type { CostRates } from '../../src/core/costs/costs.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { USUAL_IDLE_LIMITS } from '../../src/core/fields/idle-limits.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { Asked } from '../../src/figures/query-cells.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { openAccess } from '../../src/serve/access/access.ts';
import { createServer } from '../../src/serve/server.ts';
import type { Bounds } from '../../src/serve/store-questions.ts';
import { EVERYBODY, type Viewer } from '../../src/serve/viewer.ts';

export interface WebServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** What it told its log. */
  readonly told: readonly Notice[];
}

interface WebOptions {
  readonly lanes: readonly Lane[];
  readonly viewer?: Viewer;
  readonly bounds?: Bounds;
  readonly costs?: CostRates;
}

/** The web server on a free port, until the test has ended. @param store configuration string of a QuestDB, or what is asked instead of one */
export async function startWeb(store: string | Asked, options: WebOptions): Promise<WebServer> {
  const { lanes, viewer = EVERYBODY, bounds, costs } = options;
  const db = typeof store === 'string' ? await openQuestDb(store, { requestTimeoutMs: 60_000 }) : undefined;
  const told: Notice[] = [];
  const tell = (notice: Notice): void => {
    told.push(notice);
  };
  const serve = { listen: { host: '127.0.0.1', port: 0 } };
  const app = createServer({
    db: db ?? (store as Asked),
    config: {
      ...{ lanes, idle: USUAL_IDLE_LIMITS, findings: USUAL_FINDING_LIMITS },
      timeZone: 'UTC',
      idleWatch: { remindEveryMs: 3_600_000 },
      serve,
      costs: {},
    },
    costs,
    access: openAccess({ serve, tell }),
    tell,
    ...(bounds === undefined ? {} : { bounds }),
  });
  app.addHook('onRequest', (request, _reply, done) => {
    request.viewer = viewer;
    done();
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    await app.close();
    await db?.close();
  });
  return { url, told };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** Asks for a path as it is: a URL object would make another of `..`. */
export async function raw(
  url: string,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const [answer] = (await once(
    get({ host: hostname, port, path, method, headers, agent: false }),
    'response',
  )) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk as string;
  return { status: answer.statusCode ?? 0, headers: answer.headers, text };
}
