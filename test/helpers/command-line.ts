/**
 * Runs command lines in this process, many in the time of one start of Node. The test file mocks `src/cli/leave.ts` with
 * `leaving`, since a command may end its process.
 */
import { expect, vi } from 'vitest';
import { EXIT_CODES } from '../../src/core/base/errors.ts';
import { main } from '../../src/cli/main.ts';
import type { Ended } from './run-process.ts';

/** In every configuration and environment of a wrong input; in no message. */
export const SECRET = 'hunter2-s3cr3t-t0ken';
/** A store that is not there: nothing listens on port 1. */
export const NO_STORE = `http::addr=127.0.0.1:1;token=${SECRET};retry_timeout=0;`;

/** @param env added to an environment that knows no gpuledger, home or store of ours */
export async function runLine(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const ended: Ended = { exitCode: null, stdout: '', stderr: '' };
  const catching = (to: 'stdout' | 'stderr') =>
    vi.spyOn(process[to], 'write').mockImplementation((...call: unknown[]) => {
      ended[to] +=
        typeof call[0] === 'string' ? call[0] : Buffer.from(call[0] as Uint8Array).toString('utf8');
      const done = call.find((each) => typeof each === 'function') as (() => void) | undefined;
      done?.();
      return true;
    });
  const listeners = [process.stdout, process.stderr].map((stream) => stream.listeners('error'));
  const before = { env: process.env, exitCode: process.exitCode };
  process.env = { PATH: process.env['PATH'], HOME: '/nonexistent', QDB_CLIENT_CONF: NO_STORE, ...env };
  process.exitCode = undefined;
  // Each command listens to signals as long as its process lives.
  process.setMaxListeners(0);
  const spies = [catching('stdout'), catching('stderr')];
  try {
    ended.exitCode = await main(args);
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.env = before.env;
    process.exitCode = before.exitCode;
    for (const [index, stream] of [process.stdout, process.stderr].entries())
      for (const listener of stream.listeners('error'))
        if (!listeners[index]!.includes(listener)) stream.removeListener('error', listener as () => void);
  }
  return ended;
}

/** The codes with which a command may end that was told something wrong: documented, and none of them a defect. */
const REFUSALS: readonly number[] = [
  ...[EXIT_CODES.usage, EXIT_CODES.data, EXIT_CODES.unavailable, EXIT_CODES.temporary],
  ...[EXIT_CODES.permission, EXIT_CODES.config],
];

/** What every refusal has: a sentence that begins a line, no stack, no secret, nothing that a terminal obeys. */
export function expectRefusal({ exitCode, stdout, stderr }: Ended): void {
  expect(REFUSALS, stderr).toContain(exitCode);
  expect(stderr).toMatch(/^(error: |gpuledger: ).{10,}/m);
  expect(stderr).not.toMatch(/defect|^ +at .*[(:]\d+|\[object |undefined|NaN/m);
  expect(stdout + stderr).not.toContain(SECRET);
  expect(stderr).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/);
}
