import { isLoopback } from '../config/addresses.ts';
import { messageOf, OperatingError } from '../core/base/errors.ts';

/** What can go wrong between gpuledger and a QuestDB, each told so that a person knows which it is and what to do. */

const NAME_ONE = 'or name one: QDB_CLIENT_CONF="http::addr=host:9000;"';
const NO_TLS_HINT =
  'open-source QuestDB has no TLS of its own: use http::, or the address of the TLS proxy before it';

const LONGER_HINT =
  'give it longer: questdb.request_timeout in the configuration, or GPULEDGER_QUESTDB_REQUEST_TIMEOUT=5m';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed while sending',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name service does not answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'no answer to the connection request',
  UND_ERR_CONNECT_TIMEOUT: 'no answer to the connection request',
  UND_ERR_SOCKET: 'connection closed by the server',
  AbortError: 'given up',
};

/** What can be done about a server that is not there: nobody starts one here for an address elsewhere. */
function waysOut(where: string): string[] {
  const { hostname } = new URL(where);
  if (isLoopback(hostname.replace(/^\[|\]$/g, ''))) return ['start one:   gpuledger questdb start', NAME_ONE];
  return [
    `ask those who run QuestDB on ${hostname}: does it run, may this machine reach that port?`,
    NAME_ONE,
  ];
}

/** The error for a request that got no HTTP answer. `tries` is told when there was more than one. */
export function connectionFailure(thrown: unknown, where: string, tries = ''): OperatingError {
  const code = errorCode(thrown);
  if (/^(CERT_|ERR_TLS_CERT|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/.test(code))
    return certificateFailure(thrown, code, where);
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return new OperatingError(
      `${where} does not speak TLS, but the configuration string begins with https::`,
      {
        code: 'questdb.no_tls',
        exit: 'config',
        where,
        hints: [NO_TLS_HINT],
        cause: thrown,
      },
    );
  }
  if (code.startsWith('HPE_') || code === 'HTTPParserError')
    return foreignServer(where, `no HTTP answer (${messageOf(thrown)})`, thrown);
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return new OperatingError('gpuledger is stopping: the question was not asked, or not waited for', {
      code: 'questdb.closed',
      exit: 'temporary',
      where,
      cause: thrown,
    });
  }
  const reason = REASONS[code] ?? messageOf(thrown);
  return new OperatingError(`no QuestDB at ${where} (${reason}${tries})`, {
    code: 'questdb.unreachable',
    exit: 'temporary',
    hints:
      where.startsWith('https:') && code === 'ECONNRESET' ? [...waysOut(where), NO_TLS_HINT] : waysOut(where),
    cause: thrown,
  });
}

/** The error for a request that ended at its deadline, of a server that may be down, or hang, or be very busy. */
export function noTimelyAnswer(where: string, timeoutMs: number, cause: unknown): OperatingError {
  return new OperatingError(`nothing at ${where} answered within ${seconds(timeoutMs)}`, {
    code: 'questdb.timeout',
    exit: 'temporary',
    hints: ['where there is one that is busy: again later', ...waysOut(where)],
    cause,
  });
}

/** The error for a question that was given up at its deadline, of a server that answers others. */
export function tooLong(
  timeoutMs: number,
  isConfigured: boolean,
  where: string,
  cause: unknown,
): OperatingError {
  const key = isConfigured ? ' (questdb.request_timeout)' : '';
  return new OperatingError(
    `the question took longer than ${seconds(timeoutMs)}${key}, and was given up; QuestDB answers others`,
    {
      code: 'questdb.too_long',
      exit: 'temporary',
      where,
      hints: isConfigured ? [LONGER_HINT] : ['again, when the server has less to do'],
      cause,
    },
  );
}

/** The error for a question to whose answer nobody listens any more. */
export function givenUp(where: string, cause: unknown): OperatingError {
  return new OperatingError('the question was given up: nobody waits for its answer any more', {
    code: 'questdb.given_up',
    exit: 'temporary',
    where,
    cause,
  });
}

/** The error for an answer that is longer than whoever asked has room for. */
export function tooLarge(where: string, bytesMax: number): OperatingError {
  const text = `${Math.floor(bytesMax / 2 ** 20)} MiB`;
  return new OperatingError(`the answer is longer than the ${text} that one may have, and was given up`, {
    code: 'questdb.too_large',
    exit: 'data',
    where,
    hints: ['ask for less: a shorter window, one task of an array'],
  });
}

function seconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(1))} s`;
}

/** The error for an HTTP answer that is not the one hoped for, when it is not about the SQL or the rows themselves. */
export function answerFailure(status: number, text: string, where: string): OperatingError {
  if (status === 401 || status === 403) {
    return new OperatingError(`QuestDB at ${where} refuses the credentials (HTTP ${status})`, {
      code: 'questdb.unauthorized',
      exit: 'config',
      hints: [
        'give username=…;password=…; or token=…; in the configuration string (QDB_CLIENT_CONF, or the file of questdb.client_conf_file)',
      ],
    });
  }
  if (status >= 500) {
    return new OperatingError(`QuestDB at ${where} cannot serve now (HTTP ${status}: ${firstWords(text)})`, {
      code: 'questdb.unavailable',
      exit: 'temporary',
    });
  }
  if (status === 421) return readOnly(where, `HTTP ${status}: ${firstWords(text)}`, 'temporary');
  return foreignServer(where, `HTTP ${status}: ${firstWords(text)}`);
}

/** A replica, or a server that somebody has set so: it answers questions. */
function readOnly(where: string, got: string, exit: 'temporary' | 'permission'): OperatingError {
  return new OperatingError(`QuestDB at ${where} takes no rows and no tables: it is read-only (${got})`, {
    code: 'questdb.read_only',
    exit,
    where,
    hints: ['name the server that takes rows', 'or allow it: readonly=false in its server.conf'],
  });
}

export function foreignServer(where: string, got: string, cause?: unknown): OperatingError {
  return new OperatingError(
    `what answers at ${where} is not a QuestDB: expected its REST answer, which repeats the question, got ${got}`,
    {
      code: 'questdb.foreign',
      exit: 'config',
      hints: ['the HTTP port of QuestDB is 9000 unless configured otherwise', ...waysOut(where)],
      cause,
    },
  );
}

/** The error for an answer of the right form that holds something else than was asked for. */
export function strangeAnswer(where: string, expected: string, got: string): OperatingError {
  return new OperatingError(
    `what answers at ${where} answers something else than was asked: expected ${expected}, got ${firstWords(got)}`,
    {
      code: 'questdb.foreign',
      exit: 'config',
      hints: [
        'is it the store that the nodes write to, with tables that nobody changed? gpuledger doctor --store',
      ],
    },
  );
}

/** The error for SQL that the server refuses; `position` counts characters of the SQL from 0. */
export function queryFailure(
  message: string,
  sql: string,
  position: number | undefined,
  server: string,
): OperatingError {
  const from = Math.max(0, (position ?? 0) - 30);
  const fragment = sql.slice(from, from + 100).replace(/\s+/g, ' ');
  if (/^timeout, query aborted/.test(message)) {
    return new OperatingError(`the question took longer than QuestDB lets one take: ${message}`, {
      code: 'questdb.too_long',
      exit: 'temporary',
      hints: [LONGER_HINT, 'or query.timeout in the server.conf of the server'],
    });
  }
  if (/permission denied/i.test(message)) return readOnly(server, message, 'permission');
  const isTableMissing = /table (and view )?does not exist|materialized view does not exist/.test(message);
  return new OperatingError(`QuestDB refuses a query: ${message}`, {
    code: isTableMissing ? 'questdb.no_table' : 'questdb.query',
    exit: isTableMissing ? 'unavailable' : 'software',
    where: `position ${position ?? 0}: ${from > 0 ? '…' : ''}${fragment}${sql.length > from + 100 ? '…' : ''}`,
    hints: isTableMissing ? ['create the tables: gpuledger schema apply'] : [],
  });
}

function certificateFailure(thrown: unknown, code: string, where: string): OperatingError {
  const reason = code === 'CERT_HAS_EXPIRED' ? 'it has expired' : messageOf(thrown);
  return new OperatingError(`the certificate of ${where} is not accepted: ${reason}`, {
    code: 'questdb.certificate',
    exit: 'config',
    hints: [
      'name the CA that signed it: tls_ca=/path/ca.pem; in the configuration string',
      'or renew the certificate',
    ],
    cause: thrown,
  });
}

function errorCode(thrown: unknown): string {
  if (!(thrown instanceof Error)) return '';
  const { code } = thrown as { code?: unknown };
  return typeof code === 'string' && code !== 'ABORT_ERR' ? code : thrown.name;
}

function firstWords(text: string): string {
  const words = text.replace(/\s+/g, ' ').trim();
  return words === '' ? 'empty body' : words.length > 200 ? `${words.slice(0, 200)}…` : words;
}
