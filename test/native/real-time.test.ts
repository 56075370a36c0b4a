import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const RR = 2;
const NORMAL = 0;
const MODULE = fileURLToPath(new URL('../../native/real-time.ts', import.meta.url));

/** Prints what was granted, and the policy (field 41 of proc_pid_stat) of the thread that asked and of one started later. */
const PROGRAM = `
  import { Worker } from 'node:worker_threads';
  import { runInRealTime } from ${JSON.stringify(MODULE)};
  const policy = () =>
    Number(process.getBuiltinModule('fs').readFileSync('/proc/thread-self/stat', 'utf8').split(') ')[1].split(' ')[38]);
  const granted = runInRealTime();
  const tell = "process.getBuiltinModule('worker_threads').parentPort.postMessage((" + policy + ")())";
  const own = policy();
  new Worker(tell, { eval: true }).on('message', (later) => console.log(JSON.stringify({ granted, own, later })));
`;

/** Whether this machine lets root have it at all: containers often do not. */
function isAllowed(): boolean {
  return spawnSync('chrt', ['--rr', '1', 'true']).status === 0;
}

async function policies(before: string): Promise<unknown> {
  const args = ['-c', `${before} "$0" "$@"`, process.execPath, '--input-type=module', '--eval', PROGRAM];
  const { stdout } = await promisify(execFile)('sh', args);
  return JSON.parse(stdout);
}

test('the thread that asks gets real-time priority, those that it starts do not', async () => {
  expect(await policies('')).toEqual({
    granted: isAllowed(),
    own: isAllowed() ? RR : NORMAL,
    later: NORMAL,
  });
});

test('without the permission it is told and nothing changes', async () => {
  const unprivileged = 'exec setpriv --reuid 65534 --clear-groups --bounding-set -all --inh-caps -all';
  expect(await policies(unprivileged)).toEqual({ granted: false, own: NORMAL, later: NORMAL });
});
