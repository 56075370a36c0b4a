/** Two containers that share a state directory: neither sees the other's processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { IN_PID_NAMESPACE, IS_ROOT, pidNamespaceRefusal } from '../helpers/pid-namespace.ts';
import { ROOT, runToEnd } from '../helpers/run-process.ts';

const [UNSHARE = '', ...NAMESPACE] = IN_PID_NAMESPACE;

test('of two collectors in two PID namespaces the second is refused, and told by whom and what to do', async (context) => {
  const refusal = pidNamespaceRefusal();
  // Not for root: a run as root that skips this would look as if it had been tried.
  if (!IS_ROOT && refusal !== '') context.skip(refusal);
  expect(refusal).toBe('');
  const stateDir = mkdtempSync(join(tmpdir(), 'gpuledger-namespaces-'));
  onTestFinished(() => {
    rmSync(stateDir, { recursive: true });
  });
  const command = [process.execPath, `${ROOT}bin/gpuledger.js`];
  const run = [...command, 'run', '--source', 'synthetic', '--state-dir', stateDir];
  const env = { ...process.env, QDB_CLIENT_CONF: 'http::addr=127.0.0.1:1;' };

  const first = spawn(UNSHARE, [...NAMESPACE, ...run], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(first, 'exit');
  let text = '';
  first.stderr.setEncoding('utf8').on('data', (part: string) => (text += part));
  onTestFinished(async () => {
    first.kill('SIGKILL');
    await ended;
  });
  await expect.poll(() => text).toContain('the store takes nothing');
  const pid = readFileSync(join(stateDir, 'delivery/lock'), 'latin1').trim();

  const second = await runToEnd(UNSHARE, [...NAMESPACE, ...run], { env });
  expect(second.exitCode).toBe(75);
  expect(second.stderr).toContain(`another gpuledger (process ${pid}) is using ${stateDir}/delivery`);
  expect(second.stderr).toContain('in another container');
  expect(second.stderr).toContain('--state-dir');

  await expect.poll(() => existsSync(join(stateDir, 'status.json'))).toBe(true);
  // `status` asks from a third one, and knows the first by the number that it calls itself.
  const status = await runToEnd(
    UNSHARE,
    [...NAMESPACE, ...command, 'status', '--json', '--state-dir', stateDir],
    { env },
  );
  expect(JSON.parse(status.stdout)).toMatchObject({ running: true, pid: Number(pid) });
});
