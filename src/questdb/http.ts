import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
// Not undici's index: that loads proxies, caches, fetch and more, which takes three times as long.
import request from 'undici/lib/api/api-request.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import type { Dispatcher } from 'undici';
import type { ClientConf } from '../../schemas/client-conf.ts';
import { readClientConf } from '../../schemas/read-client-conf.ts';
import {
  parseBuild,
  parseExecReply,
  parseWriteError,
  type QueryResult,
} from '../../schemas/questdb-reply.ts';
import { OperatingError } from '../core/base/errors.ts';
import { fileError } from '../core/base/file-fault.ts';
import { acknowledged, untaken, type Batch, type Fate, type Sink } from '../core/wire/sink.ts';
import { readNamedFile } from '../disk/named-file.ts';
import {
  answerFailure,
  connectionFailure,
  foreignServer,
  givenUp,
  noTimelyAnswer,
  queryFailure,
  tooLarge,
  tooLong,
} from './failure.ts';

/**
 * One QuestDB over HTTP: SQL by `/exec`, rows by `/write`. Nothing here retries except `checkServer`; `with-retries.ts` does.
 *
 * Every request has a total deadline that holds whatever the server does (down, half-open, slow, garbage): connecting,
 * sending, waiting and reading count against it together.
 */
export interface QuestDb extends Sink {
  /** `http://host:port`, without credentials: for messages. */
  readonly where: string;
  /**
   * Goes on by new connections. A server that makes tables of its own accord takes rows of a dropped table on the old ones, and
   * they are nowhere.
   */
  readonly renewConnections: () => void;
  /**
   * Runs one statement. LONG cells are numbers, TIMESTAMP cells ISO text (`timestampUs` of `questdb-reply.ts`).
   * At its deadline the connection is closed, which ends a query in the server, too; then the server is asked for a sign
   * of life, for `LIFE_SIGN_MS_MAX` more.
   * @param options `timeoutMs`: the deadline; default `requestTimeoutMs`. `signal` gives the question up, which ends it in the server,
   * too. `bytesMax`: a longer answer is not read to its end
   * @throws OperatingError `questdb.given_up`, `questdb.too_large`, `questdb.query`, `questdb.no_table`, `questdb.unreachable`, `questdb.timeout` where the server
   * gives no sign of life, `questdb.too_long` where it does, `questdb.unauthorized`, `questdb.unavailable`,
   * `questdb.foreign`, `questdb.certificate`
   */
  exec(sql: string, options?: ExecOptions): Promise<QueryResult>;
  /** Sends rows once. Never throws for what the server or the network does: the fate tells. */
  send(batch: Batch, signal?: AbortSignal): Promise<Fate>;
  /**
   * Asks whether a QuestDB answers and accepts the credentials; three tries where it may be starting.
   * @returns its version
   * @throws OperatingError that tells unreachable (75), unauthorized (78), not a QuestDB (78) apart
   */
  checkServer(): Promise<{ readonly version: string }>;
  /** Ends all connections; requests under way fail. */
  close(): Promise<void>;
}

interface ExecOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly bytesMax?: number | undefined;
}

export interface QuestDbOptions {
  /** Total deadline of a request, ms; a write adds its bytes at `WRITE_BYTES_PER_MS_MIN`. */
  readonly requestTimeoutMs: number;
  /** Compress what is sent: worth its CPU on slow links only. Default: no. */
  readonly gzip?: boolean;
  /** Asks without the account of the string, to see what anybody may. Default: no. */
  readonly isAccountLeftOut?: boolean;
}

/** A link slower than the official client's default minimum of 100 KiB/s counts as broken. */
const WRITE_BYTES_PER_MS_MIN = 102.4;
/** The longest idle time of a connection: below the 5 min after which the server closes it itself. */
const KEEP_ALIVE_MS = 60_000;
/** Flushes of several tables, replay and queries run side by side; the server's default limit is 256 for everybody. */
const CONNECTION_COUNT_MAX = 8;
/** A refusal is a short JSON text; whatever is longer is not read to its end. */
const WRITE_REPLY_BYTES_MAX = 65_536;
/** Later than this client's own deadline, which says what to do: on a busy machine the server would be first. */
const SERVER_GRACE_MS = 10_000;
/** A query that was given up is gone from the server within half a second, on a very busy machine within some. */
const LIFE_SIGN_MS_MAX = 5_000;
const CHECK_TRIES = 3;
const CHECK_PAUSE_MS = 400;

const compress = promisify(gzip);

/**
 * @param clientConf the official client's configuration string, `http::addr=host:9000;…`
 * @throws OperatingError when the string is malformed or its CA file cannot be read; a server that is down is no error
 */
export async function openQuestDb(clientConf: string, options: QuestDbOptions): Promise<QuestDb> {
  const conf = await readClientConf(clientConf);
  const where = `${conf.protocol}://${conf.host.includes(':') ? `[${conf.host}]` : conf.host}:${conf.port}`;
  const settings = {
    connections: CONNECTION_COUNT_MAX,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // The total deadline rules; undici's own timers have a resolution of a second only.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: options.requestTimeoutMs,
      rejectUnauthorized: conf.tlsVerify,
      ...certificates(conf),
    },
  };
  const auth = options.isAccountLeftOut === true ? {} : authorization(conf);
  return createClient(() => new Pool(where, settings), where, auth, options);
}

function createClient(
  openPool: () => Dispatcher,
  where: string,
  auth: Record<string, string>,
  { requestTimeoutMs, gzip: isGzipWanted = false }: QuestDbOptions,
): QuestDb {
  let isGzipUnderstood = true;
  let pool = openPool();
  /**
   * The server remembers the columns of a table for as long as a connection lasts and takes no rows: a column that was
   * mended would be refused for ever. Requests that are under way come to their end.
   */
  const dropConnections = (): void => {
    const former = pool;
    pool = openPool();
    // What goes wrong there is told by the requests themselves.
    former.close().catch(() => undefined);
  };

  const ask = async (
    options: Dispatcher.RequestOptions,
    signal: AbortSignal,
    bytesMax: number,
  ): Promise<Answer> => {
    // The pool has undici's own timers off; only the signal ends a request.
    const answer = await request.call(pool, {
      ...options,
      signal,
      headers: { ...auth, ...(options.headers as Record<string, string>) },
    });
    return { status: answer.statusCode, ...(await readText(answer.body, bytesMax)) };
  };

  const question = async (
    sql: string,
    timeoutMs: number,
    { signal, bytesMax = Infinity }: Omit<ExecOptions, 'timeoutMs'> = {},
  ): Promise<QueryResult> => {
    const path = `/exec?${new URLSearchParams({ query: sql, quoteLargeNum: 'true' }).toString()}`;
    // Lets a question take longer than the server's own limit. It ends none sooner: the closed connection does.
    const headers = { 'Statement-Timeout': String(timeoutMs + SERVER_GRACE_MS) };
    const deadline = AbortSignal.timeout(timeoutMs);
    let answer: Answer;
    try {
      const until = signal === undefined ? deadline : AbortSignal.any([deadline, signal]);
      answer = await ask({ path, method: 'GET', headers }, until, bytesMax);
    } catch (thrown) {
      if (signal?.aborted === true) throw givenUp(where, thrown);
      throw deadline.aborted ? noTimelyAnswer(where, timeoutMs, thrown) : connectionFailure(thrown, where);
    }
    if (answer.isCut) throw tooLarge(where, bytesMax);
    const reply = parseExecReply(answer.text, sql);
    if (reply.kind === 'error' && answer.status < 500)
      throw queryFailure(reply.message, sql, reply.position, where);
    if (answer.status !== 200 || reply.kind === 'foreign')
      throw answerFailure(answer.status, answer.text, where);
    return reply.kind === 'rows' ? reply.result : { columns: [], rows: [] };
  };

  const isAlive = async (): Promise<boolean> => {
    try {
      await question('SELECT 1', LIFE_SIGN_MS_MAX);
      return true;
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      return false; // the question that was asked before tells what is wrong
    }
  };

  const exec = async (
    sql: string,
    { timeoutMs: ownTimeoutMs, ...how }: ExecOptions = {},
  ): Promise<QueryResult> => {
    const timeoutMs = ownTimeoutMs ?? requestTimeoutMs;
    try {
      return await question(sql, timeoutMs, how);
    } catch (thrown) {
      const isLate = thrown instanceof OperatingError && thrown.code === 'questdb.timeout';
      if (!isLate || !(await isAlive())) throw thrown;
      throw tooLong(timeoutMs, ownTimeoutMs === undefined, where, thrown);
    }
  };

  const send = async (batch: Batch, signal?: AbortSignal): Promise<Fate> => {
    const { body } = batch;
    const deadlineMs = requestTimeoutMs + body.byteLength / WRITE_BYTES_PER_MS_MIN;
    const deadline = AbortSignal.timeout(Math.ceil(deadlineMs));
    const isGzipped = isGzipWanted && isGzipUnderstood;
    try {
      const headers = isGzipped ? { 'Content-Encoding': 'gzip' } : {};
      const answer = await ask(
        // The rows' own suffix states the unit of their timestamps; the parameter is what the official client sends.
        {
          path: '/write?precision=n',
          method: 'POST',
          headers,
          body: isGzipped ? await compress(body) : body,
        },
        signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
        WRITE_REPLY_BYTES_MAX,
      );
      if (answer.status === 415 && isGzipped) {
        isGzipUnderstood = false;
        return await send(batch, signal);
      }
      const fate = fateOf(batch, answer, where);
      if (fate.unsent?.cause === 'rows') dropConnections();
      return fate;
    } catch (thrown) {
      const error = deadline.aborted
        ? noTimelyAnswer(where, deadlineMs, thrown)
        : connectionFailure(thrown, where);
      return untaken(batch, { cause: 'store', reason: error.message, error });
    }
  };

  return {
    where,
    renewConnections: dropConnections,
    exec,
    send,
    checkServer: () => checkServer((sql) => question(sql, requestTimeoutMs), where),
    close: () => pool.destroy(),
  };
}

interface Answer {
  readonly status: number;
  readonly text: string;
  /** The text is longer and was not read to its end. */
  readonly isCut: boolean;
}

function fateOf(batch: Batch, { status, text }: Answer, where: string): Fate {
  if (status === 204) return acknowledged(batch);
  const refusal = status === 400 || status === 413 ? parseWriteError(text) : undefined;
  if (refusal !== undefined) {
    const error = new OperatingError(`QuestDB refuses rows: ${refusal.message}`, {
      code: 'questdb.refused',
      exit: 'data',
      where,
    });
    const { message: reason, line } = refusal;
    return untaken(batch, { cause: 'rows', reason, error, ...(line === undefined ? {} : { line }) });
  }
  const error = answerFailure(status, text, where);
  const cause = error.code === 'questdb.unauthorized' ? 'credentials' : 'store';
  return untaken(batch, { cause, reason: error.message, error });
}

async function checkServer(
  question: (sql: string) => Promise<QueryResult>,
  where: string,
): Promise<{ version: string }> {
  const startMs = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { rows } = await question('SELECT build()');
      const version = parseBuild(rows[0]?.[0]);
      if (version === undefined)
        throw foreignServer(where, `${JSON.stringify(rows[0] ?? null)} for SELECT build()`);
      return { version };
    } catch (thrown) {
      // A server that is starting refuses connections; one that keeps silent has had its whole deadline already.
      if (!(thrown instanceof OperatingError) || thrown.code !== 'questdb.unreachable') throw thrown;
      if (attempt === CHECK_TRIES) {
        const tookSeconds = ((performance.now() - startMs) / 1000).toFixed(1);
        throw connectionFailure(thrown.cause, where, ` after ${CHECK_TRIES} tries in ${tookSeconds} s`);
      }
      await new Promise((resolve) => setTimeout(resolve, CHECK_PAUSE_MS));
    }
  }
}

async function readText(
  body: Dispatcher.ResponseData['body'],
  bytesMax: number,
): Promise<Pick<Answer, 'text' | 'isCut'>> {
  const chunks: Buffer[] = [];
  let byteCount = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    byteCount += chunk.byteLength;
    if (byteCount > bytesMax) break; // leaving the loop destroys the stream and with it the connection
  }
  return { text: Buffer.concat(chunks).toString('utf8'), isCut: byteCount > bytesMax };
}

function authorization(conf: ClientConf): Record<string, string> {
  if (conf.token !== undefined) return { Authorization: `Bearer ${conf.token}` };
  if (conf.username === undefined) return {};
  const credentials = Buffer.from(`${conf.username}:${conf.password ?? ''}`).toString('base64');
  return { Authorization: `Basic ${credentials}` };
}

/** All that a system trusts is some 300 KiB. */
const CERTIFICATES_BYTES_MAX = 4 * 1024 * 1024;

function certificates(conf: ClientConf): { ca?: Buffer } {
  if (conf.tlsCa === undefined) return {};
  try {
    const ca = readNamedFile(conf.tlsCa, CERTIFICATES_BYTES_MAX);
    if (ca !== undefined) return { ca };
    throw new Error(`expected at most ${CERTIFICATES_BYTES_MAX / 1024} KiB, found more`);
  } catch (thrown) {
    throw fileError('the CA file of the QuestDB connection cannot be read', thrown, {
      code: 'questdb.ca_file',
      exit: 'config',
      where: conf.tlsCa,
      hints: ['name a readable PEM file: tls_ca=/path/ca.pem; in the configuration string'],
    });
  }
}
