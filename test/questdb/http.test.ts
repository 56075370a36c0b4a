/** Talking to QuestDB over HTTP: a real server, and servers that misbehave. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { timestampUs } from '../../schemas/questdb-reply.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import type { Fate } from '../../src/core/wire/sink.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { sendRows } from '../helpers/send-rows.ts';
import { heavyQuery, queriesUnderWay } from '../helpers/heavy-query.ts';
import { forward, httpServer, listen, rawServer, type BadServer } from '../helpers/bad-server.ts';

const TLS = join(import.meta.dirname, '../fixtures/tls');
const ROW = Buffer.from('t,gpu=a v=1 1763700000000000t\n');
const TAKEN = { acknowledgedRows: 1, refused: [] };

const open: QuestDb[] = [];
const servers: BadServer[] = [];

async function connect(conf: string, requestTimeoutMs = 10_000, gzip = false): Promise<QuestDb> {
  const db = await openQuestDb(conf, { requestTimeoutMs, gzip });
  open.push(db);
  return db;
}

async function connectTo(server: BadServer, settings = '', requestTimeoutMs = 10_000): Promise<QuestDb> {
  servers.push(server);
  return await connect(`http::addr=${server.addr};${settings}`, requestTimeoutMs);
}

async function failureOf(promise: Promise<unknown>): Promise<OperatingError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(thrown instanceof OperatingError))
    throw new Error(`expected an OperatingError, came ${String(thrown)}`);
  return thrown;
}

function causeOf({ unsent }: Fate): string {
  return unsent === undefined ? 'taken' : `${unsent.cause} ${unsent.error.code}`;
}

afterEach(async () => {
  for (const db of open.splice(0)) await db.close();
  for (const server of servers.splice(0)) await server.close();
});

describe('a real QuestDB', () => {
  let db: QuestDb;
  const table = `http_${randomUUID().slice(0, 8)}`;

  beforeAll(async () => {
    db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
    await db.exec(
      `CREATE TABLE ${table} (ts TIMESTAMP, gpu SYMBOL, v DOUBLE, n LONG) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, gpu)`,
    );
  });
  afterAll(async () => {
    await db.exec(`DROP TABLE ${table}`);
    await db.close();
  });

  test('tells its version', async () => {
    expect((await db.checkServer()).version).toMatch(/^\d+\.\d+/);
  });

  test('gives LONG as a number, TIMESTAMP as text, NULL as null, and a LONG beyond 2^53 undamaged', async () => {
    const { columns, rows } = await db.exec(
      `SELECT 42::long a, null::long b, 9007199254740993::long c, 2.5 d, '2026-11-21T10:49:42.372706Z'::timestamp t`,
    );
    expect(columns.map(({ type }) => type)).toEqual(['LONG', 'LONG', 'LONG', 'DOUBLE', 'TIMESTAMP']);
    expect(rows).toEqual([[42, null, '9007199254740993', 2.5, '2026-11-21T10:49:42.372706Z']]);
    expect(timestampUs(rows[0]![4])).toBe(Date.UTC(2026, 10, 21, 10, 49, 42) * 1000 + 372_706);
  });

  test('shows where in the SQL the mistake is', async () => {
    const error = await failureOf(db.exec(`SELECT nope FROM ${table}`));
    expect(error.code).toBe('questdb.query');
    expect(error.message).toContain('nope');
    expect(error.where).toContain(`position 7: SELECT nope FROM ${table}`);
  });

  test('a missing table is an error of its own, with the way out', async () => {
    const error = await failureOf(db.exec('SELECT * FROM never_made'));
    expect([error.code, error.exit]).toEqual(['questdb.no_table', 'unavailable']);
    expect(error.hints.join()).toContain('gpuledger schema apply');
  });

  test.each([{ gzip: false }, { gzip: true }])(
    'acknowledges rows (%o), and the same bytes again change nothing',
    async (options) => {
      const body = Buffer.from(`${table},gpu=${String(options.gzip)} v=1.5,n=7i 1763700000000000t\n`);
      const sink = await connect(inject('questdbConf'), 30_000, options.gzip);
      expect(await sendRows(sink, body)).toEqual(TAKEN);
      expect(await sendRows(sink, body)).toEqual(TAKEN);
      await expect
        .poll(
          async () => (await db.exec(`SELECT v, n FROM ${table} WHERE gpu = '${String(options.gzip)}'`)).rows,
        )
        .toEqual([[1.5, 7]]);
    },
  );

  test('names the line of a refused row', async () => {
    const body = Buffer.from(
      `${table},gpu=a v=1 1763700000000000t\n${table},gpu=a v="x" 1763700000000000t\n`,
    );
    const fate = await sendRows(db, body);
    expect(fate).toMatchObject({ acknowledgedRows: 0, unsent: { cause: 'rows', line: 2, rows: 2 } });
    expect(causeOf(fate)).toBe('rows questdb.refused');
  });

  test('rows of a column that was mended are taken by the client that they were refused to', async () => {
    const rows = (second: number): string => `${table},gpu=mend v=1.5 17637000000${second}00000t\n`;
    await db.exec(`ALTER TABLE ${table} ALTER COLUMN v TYPE BOOLEAN`);
    // The server remembers the columns of a table for each connection.
    const client = await connect(inject('questdbConf'), 30_000);
    expect((await sendRows(client, rows(11))).unsent?.cause).toBe('rows');
    await db.exec(`ALTER TABLE ${table} ALTER COLUMN v TYPE DOUBLE`);
    await expect.poll(async () => await sendRows(client, rows(12))).toEqual(TAKEN);
  });

  test('a query that takes longer than it may is given up, and ended in the server', async () => {
    const error = await failureOf(db.exec(heavyQuery('given_up'), { timeoutMs: 100 }));
    expect([error.code, error.exit]).toEqual(['questdb.too_long', 'temporary']);
    expect(error.message).toContain('took longer than 0.1 s, and was given up; QuestDB answers others');
    await expect.poll(async () => await queriesUnderWay(db, 'given_up')).toBe(0);
  });

  test('a query whose answer nobody waits for any more is ended in the server', async () => {
    const reader = new AbortController();
    const failure = failureOf(db.exec(heavyQuery('left'), { signal: reader.signal }));
    await expect.poll(async () => await queriesUnderWay(db, 'left')).toBe(1);
    reader.abort();
    expect((await failure).code).toBe('questdb.given_up');
    await expect.poll(async () => await queriesUnderWay(db, 'left')).toBe(0);
    expect((await failureOf(db.exec('SELECT 1', { signal: reader.signal }))).code).toBe('questdb.given_up');
  });

  test.each([
    [10, 'right size'],
    [100_000_000, 'questdb.too_large'],
  ])('an answer of %d rows is of the %s', async (rows, expected) => {
    const question = db.exec(`SELECT x FROM long_sequence(${rows})`, { bytesMax: 1_048_576 });
    if (expected === 'right size') expect((await question).rows).toHaveLength(rows);
    else expect(await failureOf(question)).toMatchObject({ code: expected, exit: 'data' });
  });

  test('where that is what was configured, the configuration is the way out', async () => {
    const hasty = await connect(inject('questdbConf'), 200);
    const error = await failureOf(hasty.exec(heavyQuery('configured')));
    expect(error.message).toContain('longer than 0.2 s (questdb.request_timeout)');
    expect(error.hints.join()).toContain('GPULEDGER_QUESTDB_REQUEST_TIMEOUT');
  });

  test('a deadline of the question itself is no matter of configuration, however long it is', async () => {
    const hasty = await connect(inject('questdbConf'), 200);
    const error = await failureOf(hasty.exec(heavyQuery('own_deadline'), { timeoutMs: 200 }));
    expect(error.message).toContain('longer than 0.2 s, and was given up');
    expect(error.hints.join()).not.toContain('request_timeout');
  });

  test('what the server ends by its own limit is told like that', async () => {
    const limited = await httpServer((_request, response) => {
      response.writeHead(400, { 'Content-Type': 'application/json' });
      response.end(
        '{"query":"SELECT x","error":"timeout, query aborted [fd=7, runtime=60001ms]","position":0}',
      );
    });
    const error = await failureOf((await connectTo(limited)).exec('SELECT x'));
    expect([error.code, error.exit]).toEqual(['questdb.too_long', 'temporary']);
    expect(error.hints.join()).toContain('query.timeout');
  });

  test('sends basic and bearer credentials, and tells refused ones apart without showing them', async () => {
    const gate = await httpServer((request, response) => {
      const allowed = [`Basic ${Buffer.from('ada:s3cret').toString('base64')}`, 'Bearer t0ken'];
      if (allowed.includes(request.headers.authorization ?? ''))
        forward(inject('questdbUrl'), request, response);
      else response.writeHead(401).end('Unauthorized');
    });
    for (const settings of ['username=ada;password=s3cret;', 'token=t0ken;']) {
      expect((await (await connectTo(gate, settings)).checkServer()).version).toMatch(/^\d/);
    }
    const wrong = await connectTo(gate, 'username=ada;password=hunter2;');
    const error = await failureOf(wrong.checkServer());
    expect([error.code, error.exit]).toEqual(['questdb.unauthorized', 'config']);
    const fate = await sendRows(wrong, ROW);
    expect(causeOf(fate)).toBe('credentials questdb.unauthorized');
    expect(JSON.stringify([error.message, error.where, error.hints, fate, wrong.where])).not.toContain(
      'hunter2',
    );
  });
});

describe('a server that is down or misbehaves', () => {
  test('nobody listens: unreachable, after three tries', async () => {
    const closed = await rawServer(() => undefined);
    await closed.close();
    const db = await connect(`http::addr=${closed.addr};`);
    const error = await failureOf(db.checkServer());
    expect([error.code, error.exit]).toEqual(['questdb.unreachable', 'temporary']);
    expect(error.message).toContain(`no QuestDB at http://${closed.addr} (connection refused after 3 tries`);
    expect(error.hints.join()).toContain('gpuledger questdb start');
    expect(causeOf(await sendRows(db, ROW))).toBe('store questdb.unreachable');
  });

  test('half-open: accepts and stays silent, and the deadline holds', async () => {
    const db = await connectTo(await rawServer(() => undefined), '', 200);
    expect(causeOf(await sendRows(db, ROW))).toBe('store questdb.timeout');
    expect((await failureOf(db.checkServer())).code).toBe('questdb.timeout');
  });

  test('an answer that never ends is cut by the deadline', async () => {
    const drip = await httpServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => {
        clearInterval(timer);
      });
    });
    const db = await connectTo(drip, '', 200);
    expect((await failureOf(db.exec('SELECT 1'))).code).toBe('questdb.timeout');
  });

  test('closing in mid-body is retryable', async () => {
    const cutter = await rawServer((socket) => {
      socket.once('data', () => socket.destroy());
    });
    const fate = await sendRows(await connectTo(cutter), Buffer.alloc(4_000_000, ROW));
    expect(causeOf(fate)).toBe('store questdb.unreachable');
  });

  test('garbage instead of HTTP is retryable for rows and "not a QuestDB" for a check', async () => {
    const garbage = await rawServer((socket) => {
      socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    });
    const db = await connectTo(garbage);
    expect(causeOf(await sendRows(db, ROW))).toBe('store questdb.foreign');
    const error = await failureOf(db.checkServer());
    expect([error.code, error.exit]).toEqual(['questdb.foreign', 'config']);
  });

  test.each([
    { status: 200, text: '<html>hello</html>', cause: 'store questdb.foreign' },
    { status: 404, text: 'not found', cause: 'store questdb.foreign' },
    { status: 400, text: '<html>bad request</html>', cause: 'store questdb.foreign' },
    {
      status: 500,
      text: '{"code":"internal error","message":"disk full"}',
      cause: 'store questdb.unavailable',
    },
    { status: 503, text: '', cause: 'store questdb.unavailable' },
    { status: 421, text: '{"code":"not accepting writes"}', cause: 'store questdb.read_only' },
    { status: 403, text: 'no', cause: 'credentials questdb.unauthorized' },
    { status: 413, text: '{"code":"invalid","message":"too large"}', cause: 'rows questdb.refused' },
  ])('HTTP $status $text: $cause', async ({ status, text, cause }) => {
    const db = await connectTo(
      await httpServer((_request, response) => response.writeHead(status).end(text)),
    );
    expect(causeOf(await sendRows(db, ROW))).toBe(cause);
  });

  test('a server without gzip is asked once, then gets plain bodies', async () => {
    const encodings: (string | undefined)[] = [];
    const plain = await httpServer((request, response) => {
      encodings.push(request.headers['content-encoding']);
      response.writeHead(request.headers['content-encoding'] === 'gzip' ? 415 : 204).end();
    });
    const db = await connect(`http::addr=${plain.addr};`, 5_000, true);
    expect(await sendRows(db, ROW)).toEqual(TAKEN);
    expect(await sendRows(db, ROW)).toEqual(TAKEN);
    expect(encodings).toEqual(['gzip', undefined, undefined]);
  });

  test('the caller may give a write up', async () => {
    const db = await connectTo(await rawServer(() => undefined));
    const batch = { table: 't', body: new Uint8Array(ROW), rows: 1 };
    const fate = await db.send(batch, AbortSignal.timeout(50));
    expect(fate.unsent?.cause).toBe('store');
  });
});

describe('TLS', () => {
  async function tlsServer(certificate: string): Promise<string> {
    const files = {
      key: readFileSync(join(TLS, 'server-key.pem')),
      cert: readFileSync(join(TLS, certificate)),
    };
    const server = createTlsServer(files, (request, response) => {
      forward(inject('questdbUrl'), request, response);
    });
    const listening = await listen(server, () => 0);
    servers.push(listening);
    return listening.addr;
  }

  test('a certificate of the given CA is accepted', async () => {
    const db = await connect(`https::addr=${await tlsServer('server.pem')};tls_ca=${join(TLS, 'ca.pem')};`);
    expect((await db.checkServer()).version).toMatch(/^\d/);
  });

  test('an unknown CA is refused by default, and taken with tls_verify=unsafe_off', async () => {
    const addr = await tlsServer('server.pem');
    const error = await failureOf((await connect(`https::addr=${addr};`)).checkServer());
    expect([error.code, error.exit]).toEqual(['questdb.certificate', 'config']);
    expect(error.hints.join()).toContain('tls_ca=');
    const careless = await connect(`https::addr=${addr};tls_verify=unsafe_off;`);
    expect((await careless.checkServer()).version).toMatch(/^\d/);
  });

  test('an expired certificate says so; rows stay retryable', async () => {
    const db = await connect(`https::addr=${await tlsServer('expired.pem')};tls_ca=${join(TLS, 'ca.pem')};`);
    const error = await failureOf(db.checkServer());
    expect(error.message).toContain('it has expired');
    expect(causeOf(await sendRows(db, ROW))).toBe('store questdb.certificate');
  });

  test('a server without TLS behind https:: is told', async () => {
    // QuestDB itself answers a TLS greeting with a 400 or just closes; the 400 is the one that can be told apart.
    const plain = await httpServer((_request, response) => response.end());
    servers.push(plain);
    const error = await failureOf((await connect(`https::addr=${plain.addr};`)).checkServer());
    expect([error.code, error.exit]).toEqual(['questdb.no_tls', 'config']);
  });

  test('a CA file that is not there is an error at once', async () => {
    const error = await failureOf(connect('https::addr=127.0.0.1:1;tls_ca=/nowhere/ca.pem;'));
    expect([error.code, error.where]).toEqual(['questdb.ca_file', '/nowhere/ca.pem']);
  });
});
