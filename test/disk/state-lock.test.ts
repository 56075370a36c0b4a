/** The claim of a state directory: one owner, whatever others do at the same time. Real processes. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { processStartTicks } from '../../src/disk/process-identity.ts';
import { lockDirectory, lockOwner } from '../../src/disk/state-lock.ts';
import type { StarterAnswer, StarterOrder } from '../helpers/lock-starter.ts';

const PROGRAM = join(import.meta.dirname, '../helpers/lock-starter.ts');

let root: string;
let children: ChildProcess[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gpuledger-lock-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) await killed(child);
  rmSync(root, { recursive: true });
});

function start(): ChildProcess {
  const child = fork(PROGRAM);
  children.push(child);
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function tell(child: ChildProcess, order: StarterOrder): Promise<StarterAnswer> {
  const over = new AbortController();
  const { signal } = over;
  const answered = once(child, 'message', { signal });
  const ended = once(child, 'exit', { signal });
  child.send(order);
  try {
    const [answer] = (await Promise.race([answered, ended])) as [StarterAnswer | number | null];
    if (typeof answer !== 'object' || answer === null) throw new Error('it ended without an answer');
    return answer;
  } finally {
    over.abort();
    await Promise.allSettled([answered, ended]);
  }
}

test('of four that start on a stale lock file one gets it, in each of 50 rounds', async () => {
  const starters = [start(), start(), start(), start()];
  for (let round = 0; round < 50; round += 1) {
    const directory = join(root, String(round));
    mkdirSync(directory);
    writeFileSync(join(directory, 'lock'), `${2 ** 22 + round}\n`);
    const answers = await Promise.all(starters.map((child) => tell(child, { claim: directory })));
    const owners = answers.flatMap((answer) => ('pid' in answer ? [answer.pid] : []));
    expect(owners).toHaveLength(1);
    expect(
      answers.filter((answer) => 'refused' in answer && answer.refused.startsWith('state.locked')),
    ).toHaveLength(3);
    expect(await lockOwner(directory)).toBe(owners[0]);
    await Promise.all(starters.map((child) => tell(child, { letGo: true })));
    expect(await lockOwner(directory)).toBeUndefined();
  }
});

test('a kill -9 of the owner frees it at once, and the file stays', async () => {
  const owner = start();
  expect(await tell(owner, { claim: root })).toEqual({ pid: owner.pid });
  const { ino } = statSync(join(root, 'lock'));
  await expect(lockDirectory(root)).rejects.toThrow(
    `another gpuledger (process ${String(owner.pid)}) is using ${root}`,
  );
  await killed(owner);
  expect(await lockOwner(root)).toBeUndefined();
  const release = await lockDirectory(root);
  expect(await lockOwner(root)).toBe(process.pid);
  release();
  release();
  expect(existsSync(join(root, 'lock'))).toBe(true);
  expect(statSync(join(root, 'lock')).ino).toBe(ino);
});

test('who only asks makes nobody lose', async () => {
  const asking = start();
  writeFileSync(join(root, 'lock'), '');
  // Until the first answer it has only been loading.
  await tell(asking, { ask: root, times: 1 });
  const asked = { isOver: false };
  const answer = tell(asking, { ask: root, times: 20_000 }).finally(() => (asked.isOver = true));
  let claims = 0;
  while (!asked.isOver) {
    const release = await lockDirectory(root);
    claims += 1;
    // Lets the answer come in, now with the lock and now without.
    await new Promise((resolve) => setImmediate(resolve));
    release();
  }
  expect(claims).toBeGreaterThan(10);
  expect(await answer).toEqual({ owners: expect.arrayContaining([null, process.pid]) as unknown });
});

test('the lock file of a former version claims nothing, whoever lives that it names', async () => {
  writeFileSync(join(root, 'lock'), `${process.pid} ${processStartTicks(process.pid)!}\n`);
  expect(await lockOwner(root)).toBeUndefined();
  const owner = start();
  expect(await tell(owner, { claim: root })).toEqual({ pid: owner.pid });
  expect(readFileSync(join(root, 'lock'), 'latin1')).toBe(`${String(owner.pid)}\n`);
});

test('a directory that was never claimed has no owner, and none is made by asking', async () => {
  expect(await lockOwner(join(root, 'none'))).toBeUndefined();
  expect(existsSync(join(root, 'none'))).toBe(false);
});
