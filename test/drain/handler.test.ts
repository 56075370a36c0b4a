import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeHandler, fetchHandler, handler, type Drained } from '../../src/handler.ts';
import { createFakeEngines, type FakeEngines } from '../helpers/fake-engines.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { ROOT, runToEnd } from '../helpers/run-process.ts';

let server: TestQuestdb;
let engines: FakeEngines;
let serial = 0;
const kept = { ...process.env };
const ENGINE = 'gpu1:5555';

beforeAll(async () => {
  server = await startTestQuestdb();
});
afterAll(async () => {
  await server.stop();
});
beforeEach(() => {
  engines = createFakeEngines();
  serial += 1;
  engines.start(ENGINE, { serial, gpus: 1 });
  Object.assign(process.env, engines.env, {
    QDB_CLIENT_CONF: server.conf,
    GPULEDGER_CONFIG: join(ROOT, 'test/fixtures/drain.yaml'),
    GPULEDGER_ENGINES: ENGINE,
  });
});
afterEach(async () => {
  await closeHandler();
  engines.close();
  process.env = { ...kept };
});

/** A platform that gives so much time. */
const withMs = (remainingMs: number) => ({ getRemainingTimeInMillis: () => remainingMs });

async function drained(event?: unknown): Promise<Drained> {
  const result = await handler(event, withMs(300_000));
  expect(result).toMatchObject({ ok: true });
  return result as Drained;
}

describe('handler', () => {
  it('drains what the environment names, and is warm the second time', async () => {
    expect(await drained()).toMatchObject({
      exit: 'ok',
      rows: 0,
      engines: { asked: 1, drained: 1, failed: 0 },
    });
    engines.backdate(ENGINE, 60_000_000);
    const second = await drained({});
    expect(second.rows).toBeGreaterThan(55);
    expect(second.reports.map(({ node }) => node)).toEqual(['gpu1']);
  });

  it('keeps the processes of an invocation for the next one', async () => {
    await drained();
    const before = childPids();
    await drained();
    expect(before).toHaveLength(1);
    expect(childPids()).toEqual(before);
  });

  it('lets the event name engines and window', async () => {
    engines.start('gpu2:5555', { serial: serial + 1000, gpus: 1 });
    const { reports } = await drained({ engines: ['a=gpu2:5555', 'gpu1:5555'], window: '10s' });
    expect(reports.map(({ node }) => node)).toEqual(['a', 'gpu1']);
  });

  it('reads the event of a schedule from its detail', async () => {
    const event = {
      version: '0',
      'detail-type': 'Scheduled Event',
      source: 'aws.events',
      detail: { dry_run: true },
    };
    expect(await drained(event)).toMatchObject({ isDryRun: true });
  });

  it.each([
    [{ engine: ['a'] }, 'Unrecognized key: "engine"'],
    [{ engines: 'a:5555' }, 'engines: '],
    [{ window: '10 parsecs' }, 'window: '],
    ['text', 'the event is not as expected'],
    [{ engines: ['a b'] }, 'engine "a b" is neither host, host:port nor unix:///path'],
  ])('answers %j with what is wrong, since no retry can cure it', async (event, message) => {
    const result = await handler(event, withMs(30_000));
    expect(result).toMatchObject({ ok: false });
    expect(JSON.stringify(result).replaceAll('\\"', '"')).toContain(message);
  });

  it('answers a deadline that is too short', async () => {
    expect(await handler({}, withMs(2_000))).toMatchObject({ ok: false, error: { code: 'drain.deadline' } });
  });

  it('throws when the store is down: the platform is to try again', async () => {
    process.env['QDB_CLIENT_CONF'] = 'http::addr=127.0.0.1:1;';
    await expect(handler({}, withMs(30_000))).rejects.toMatchObject({ code: 'questdb.unreachable' });
  });

  it('ends within the time of the platform although an engine hangs', async () => {
    engines.set(ENGINE, 'hang_ms', 3_600_000);
    engines.set(ENGINE, 'hung', 1);
    const result = (await handler({}, withMs(9_000))) as Drained;
    expect(result).toMatchObject({ ok: true, exit: 'temporary', engines: { failed: 1 } });
    expect(result.failures[0]).toMatchObject({ node: 'gpu1', code: 'drain.hanging' });
  });
});

describe('fetchHandler', () => {
  const post = (body: string): Promise<Response> =>
    fetchHandler(new Request('http://localhost/', { method: 'POST', body }));

  it('answers with the summary', async () => {
    const response = await post('{"dry_run": true}');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ ok: true, isDryRun: true });
    expect((await fetchHandler(new Request('http://localhost/'))).status).toBe(200);
  });

  it('tells by its status what went wrong', async () => {
    expect((await post('{')).status).toBe(400);
    expect((await post('{"engines": 1}')).status).toBe(400);
    expect((await post('{"engines": ["127.0.0.1:1"]}')).status).toBe(207);
    expect((await fetchHandler(new Request('http://localhost/', { method: 'PUT' }))).status).toBe(405);
  });

  it('asks to come again when the store is down', async () => {
    process.env['QDB_CLIENT_CONF'] = 'http::addr=127.0.0.1:1;';
    expect((await post('{}')).status).toBe(503);
  });
});

describe('the bundle', () => {
  it('runs from an empty directory with only koffi beside it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gpuledger-bundle-'));
    const bundled = await runToEnd(process.execPath, [join(ROOT, 'scripts/bundle.ts'), directory]);
    expect(bundled).toMatchObject({ exitCode: 0, stderr: '' });
    process.stderr.write(bundled.stdout);
    mkdirSync(join(directory, 'node_modules/@koromix'), { recursive: true });
    for (const name of ['koffi', `@koromix/koffi-linux-${process.arch}`]) {
      cpSync(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name), { recursive: true });
    }
    writeFileSync(
      join(directory, 'runtime.mjs'),
      `import { closeHandler, handler } from './gpuledger.mjs';
       const context = { getRemainingTimeInMillis: () => 300000 };
       await handler({}, context);
       console.log(JSON.stringify(await handler({}, context)));
       await closeHandler();`,
    );
    const { exitCode, stdout, stderr } = await runToEnd(process.execPath, ['runtime.mjs'], {
      cwd: directory,
    });
    rmSync(directory, { recursive: true, force: true });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      engines: { drained: 1 },
      reports: [{ version: '4.6.0' }],
    });
  });
});

/** Child processes of this one that talk to engines. */
function childPids(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number);
  return children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('engine-child'));
}
