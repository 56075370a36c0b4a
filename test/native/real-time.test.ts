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

/** Whether this machine lets us have it at all: containers often do not let even root. */
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
  // Without capabilities root is refused as others are, and can still read a checkout that only root may read.
  const drop = process.getuid!() === 0 ? ' setpriv --bounding-set -all --inh-caps -all' : '';
  const unprivileged = `exec prlimit --rtprio=0${drop}`;
  expect(await policies(unprivileged)).toEqual({ granted: false, own: NORMAL, later: NORMAL });
});
