/** `gpuledger schema`: what people and scripts see. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { runCommand, type Ended } from '../helpers/run-process.ts';

let server: TestQuestdb;

beforeAll(async () => {
  server = await startTestQuestdb();
});
afterAll(async () => {
  await server.stop();
});

async function schema(args: readonly string[], conf = server.conf): Promise<Ended> {
  return await runCommand(['schema', ...args], {
    env: { QDB_CLIENT_CONF: conf, GPULEDGER_CONFIG: undefined },
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
