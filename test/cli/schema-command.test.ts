/** `gpuledger schema`: what people and scripts see. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { command } from '../../src/cli/commands/schema.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { runCommand, type Ended } from '../helpers/run-process.ts';

let server: TestQuestdb;

beforeAll(async () => {
  server = await startTestQuestdb();
});
afterAll(async () => {
  await server.stop();
});

async function schema(
  args: readonly string[],
  conf = server.conf,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return await runCommand(['schema', ...args], {
    env: { QDB_CLIENT_CONF: conf, GPULEDGER_CONFIG: undefined, ...env },
  });
}

interface Applied {
  readonly where: string;
  readonly version: string;
  readonly changes: readonly { action: string; object: string; detail: string }[];
}

describe('gpuledger schema', () => {
  test('print gives SQL for every table and rollup, and touches no server', async () => {
    const { exitCode, stdout } = await schema(['print'], 'http::addr=127.0.0.1:1;');
    expect(exitCode).toBe(0);
    const statements = stdout.split(/;\n/).filter((text) => text.trim() !== '');
    expect(
      statements.every((text) => /^\s*CREATE (TABLE|MATERIALIZED VIEW) IF NOT EXISTS "/.test(text)),
    ).toBe(true);
    expect(stdout).toContain('"gpu_profiling"');
    expect(stdout).toContain('"gpu_profiling_1h"');
  });

  test('apply says what it did; the second time there is nothing to do', async () => {
    const first = await schema(['apply', '--json']);
    expect(first.exitCode).toBe(0);
    const applied = JSON.parse(first.stdout) as Applied;
    expect(applied.changes).toContainEqual({ action: 'created', object: 'gpu_profiling', detail: 'table' });
    expect(applied.version).toMatch(/^\d/);
    const second = await schema(['apply']);
    expect(second.exitCode).toBe(0);
    expect(second.stdout).toContain('everything is there already');
  });

  test('apply says which rows have no cluster, and name-rows names those that it may', async () => {
    const insert = (values: string): Promise<Response> =>
      fetch(`${server.httpUrl}/exec?query=${encodeURIComponent(`INSERT INTO gpu_ownership ${values}`)}`);
    await insert("(ts, end_ts, node, gpu, job_id) VALUES ('2026-01-01', '2026-01-02', 'n9', 'GPU-9', '7')");
    await insert("(ts, node, gpu, job_id) VALUES ('2026-01-03', 'n9', 'GPU-9', '8')");
    expect((await schema(['apply'])).stdout).not.toContain('without a cluster');
    const inAlpha = (...args: string[]): Promise<Ended> =>
      schema(args, server.conf, { GPULEDGER_CLUSTER: 'alpha' });
    const told = await inAlpha('apply');
    expect(told.stdout).toContain(
      'without a cluster: 2 of gpu_ownership (samples have that of their device)\n',
    );
    expect(told.stdout).toContain('gpuledger schema name-rows names them');
    expect(JSON.parse((await inAlpha('apply', '--json')).stdout)).toMatchObject({
      ...{ changes: [], unnamed: [{ table: 'gpu_ownership', rows: 2 }] },
    });
    expect((await inAlpha('name-rows', '--on', 'n[8-9]')).stdout).toContain(
      'cluster alpha in 1 rows; 1 stay without one',
    );
    expect((await inAlpha('name-rows', '--on', 'n9,nope')).stdout).toContain(
      'no such node in any table: nope\n',
    );
    const nope = await inAlpha('name-rows', '--on', 'nope');
    expect([nope.exitCode, nope.stderr]).toEqual([64, expect.stringContaining('leave --on out')]);
    const unset = await schema(['name-rows']);
    expect([unset.exitCode, unset.stderr]).toEqual([78, expect.stringContaining('set cluster:')]);
  });

  test('nodes that no table knows have a code of their own', async () => {
    vi.stubEnv('QDB_CLIENT_CONF', server.conf);
    vi.stubEnv('GPULEDGER_CLUSTER', 'alpha');
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    const called = command().parseAsync(['name-rows', '--on', 'nope'], { from: 'user' });
    await expect(called).rejects.toMatchObject({ code: 'schema.no_such_node', exit: 'usage' });
  });

  test.each(['n[1-', 'n[3-1]', ''])(
    'a list of nodes such as %j is 64, with the form that is expected',
    async (on) => {
      const broken = await schema(['name-rows', '--on', on], 'http::addr=127.0.0.1:1;');
      expect([broken.exitCode, broken.stderr]).toEqual([
        64,
        expect.stringContaining("as n1,n2 or 'n[01-16]'"),
      ]);
    },
  );

  test('a server that is down is 75, with the ways out', async () => {
    const { exitCode, stderr } = await schema(
      ['apply'],
      'http::addr=127.0.0.1:1;username=ada;password=hunter2;',
    );
    expect(exitCode).toBe(75);
    expect(stderr).toContain('no QuestDB at http://127.0.0.1:1 (connection refused after 3 tries');
    expect(stderr).toContain('gpuledger questdb start');
    expect(stderr).not.toContain('hunter2');
  });

  test('the help has examples and the exit codes', async () => {
    const { stdout } = await schema(['--help']);
    expect(stdout).toContain('gpuledger schema apply --json');
    expect(stdout).toMatch(/Exit codes: .*78/s);
  });
});
