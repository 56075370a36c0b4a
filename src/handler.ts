import type { Config } from './config/config.ts';
import { parseDrainEvent } from '../schemas/drain-event.ts';
import { messageOf, OperatingError } from './core/base/errors.ts';
import type { DrainSummary } from './drain/drain.ts';
import { parseEngineTask } from './drain/engines.ts';
import { DRAIN_DEADLINE_MS, drainAsAsked, defaultConcurrency } from './drain/request.ts';
import { createWarmSlots, type WarmSlots } from './drain/slot.ts';
import { VERSION } from './config/package-version.ts';
import { loadConfig } from './config/config-file.ts';
import { openQuestDb, type QuestDb } from './questdb/http.ts';

/** What function platforms give along. */
export interface InvocationContext {
  getRemainingTimeInMillis?(): number;
}

/** A notice as the answer spells it. */
interface LogEntry {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly text: string;
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
}

/** The summary, and what was told meanwhile. */
export interface Drained extends DrainSummary {
  readonly ok: true;
  readonly log: readonly LogEntry[];
}

/** Something that no retry can cure: the event or the configuration is wrong. */
export interface Refused {
  readonly ok: false;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly where: string | null;
    readonly hints: readonly string[];
  };
}

/** What a warm invocation finds: the connection to the store, and processes that have loaded the library. */
interface Warmth {
  readonly config: Config;
  readonly db: QuestDb;
  readonly warm: WarmSlots;
  readonly version: string;
}

/** For the answer itself, and for ending the processes that still wait for an engine. */
const ANSWER_MS = 1_500;
const LOG_ENTRIES_MAX = 100;
/** Of a request's body: ten thousand engines have half of it. */
const EVENT_BYTES_MAX = 1 << 20;

let warmth: Promise<Warmth> | undefined;

/**
 * One drain, for function platforms. Configuration comes from the environment (`GPULEDGER_…`, `QDB_CLIENT_CONF`), the
 * deadline from `context.getRemainingTimeInMillis()`; the event may name engines, window and the rest (`drain-event.ts`).
 * Engines that fail are named in the summary.
 * @throws OperatingError what a retry can cure: the store is down. What it cannot cure is returned as `ok: false`.
 */
export async function handler(event?: unknown, context: InvocationContext = {}): Promise<Drained | Refused> {
  try {
    return await invoke(event, context);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError) || thrown.exit === 'temporary') throw thrown;
    return refusal(thrown);
  }
}

function refusal({ code, message, where, hints }: OperatingError): Refused {
  return { ok: false, error: { code, message, where: where ?? null, hints } };
}

/**
 * The same for platforms that speak HTTP: POST with the event as JSON, or GET for what the environment says. 200 with the
 * summary; 207 when engines failed or rows were refused, with the summary all the same; 400 for what no retry cures, such
 * as a wrong event or configuration; 405 for another method; 503 for what a retry can cure; 500 for a defect.
 */
export async function fetchHandler(request: Request): Promise<Response> {
  if (request.method !== 'GET' && request.method !== 'POST') {
    return Response.json(
      { ok: false, error: { code: 'drain.method', message: 'expected GET or POST' } },
      { status: 405 },
    );
  }
  try {
    const text = request.method === 'POST' ? await bodyText(request) : '';
    const result = await handler(text === '' ? undefined : parseJson(text));
    if (!result.ok) return Response.json(result, { status: 400 });
    return Response.json(result, { status: result.exit === 'ok' ? 200 : 207 });
  } catch (thrown) {
    if (thrown instanceof OperatingError && thrown.exit !== 'temporary')
      return Response.json(refusal(thrown), { status: 400 });
    const isTemporary = thrown instanceof OperatingError;
    const error = { code: isTemporary ? thrown.code : 'defect', message: messageOf(thrown) };
    return Response.json({ ok: false, error }, { status: isTemporary ? 503 : 500 });
  }
}

/** Lets go of what is kept warm: for a host that ends. */
export async function closeHandler(): Promise<void> {
  const kept = warmth;
  warmth = undefined;
  if (kept === undefined) return;
  const { db, warm } = await kept;
  warm.close();
  await db.close();
}

async function invoke(event: unknown, context: InvocationContext): Promise<Drained> {
  const startMs = performance.now();
  const asked = parseDrainEvent(event);
  const { config, ...means } = await warmUp();
  const remainingMs = context.getRemainingTimeInMillis?.() ?? DRAIN_DEADLINE_MS + ANSWER_MS;
  const deadlineMs = Math.floor(
    Math.min(asked.deadlineMs ?? Infinity, remainingMs - ANSWER_MS - (performance.now() - startMs)),
  );
  const log: LogEntry[] = [];
  const engines = asked.engines ?? environmentEngines();
  const summary = await drainAsAsked(
    config,
    { ...asked, engines: engines.map((text) => parseEngineTask(text, config.node)), deadlineMs },
    {
      ...means,
      tell: ({ level, code: event, sentence: text, data }) => {
        if (level === 'debug' || log.length >= LOG_ENTRIES_MAX) return;
        log.push({ level, event, text, ...(data === undefined ? {} : { data }) });
      },
    },
  );
  return { ok: true, ...summary, log };
}

/** `GPULEDGER_ENGINES`: separated by commas or white space. */
function environmentEngines(): string[] {
  return (process.env['GPULEDGER_ENGINES'] ?? '').split(/[\s,]+/).filter((text) => text !== '');
}

async function warmUp(): Promise<Warmth> {
  warmth ??= open();
  try {
    return await warmth;
  } catch (thrown) {
    warmth = undefined; // the next invocation may find it mended
    throw thrown;
  }
}

async function open(): Promise<Warmth> {
  const { config } = await loadConfig({ file: undefined, env: process.env, flags: [] });
  const { clientConf, requestTimeoutMs } = config.questdb;
  return {
    config,
    db: await openQuestDb(clientConf, { requestTimeoutMs }),
    warm: createWarmSlots(defaultConcurrency()),
    version: VERSION,
  };
}

/** As much as an event may have. @throws OperatingError `drain.event` */
async function bodyText(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const body: AsyncIterable<Uint8Array> | null = request.body;
  if (body === null) return '';
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > EVENT_BYTES_MAX)
      throw new OperatingError(`the event is not as expected: it has more than ${EVENT_BYTES_MAX} bytes`, {
        code: 'drain.event',
        exit: 'usage',
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    // Falls through to the event's own check, which says what is expected.
    return `no JSON: ${messageOf(thrown)}`;
  }
}
