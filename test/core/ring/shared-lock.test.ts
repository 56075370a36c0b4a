import { afterEach, expect, test, vi } from 'vitest';
import { SharedLock } from '../../../src/core/ring/shared-lock.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** A lock that the other side holds, and takes again at once `retakes` times before it leaves it free. */
function heldLock(retakes: number): { lock: SharedLock; waitedMs: () => number } {
  const words = new Int32Array(new SharedArrayBuffer(4));
  const lock = new SharedLock(words, 0);
  lock.acquire();
  let waits = 0;
  let waitedMs = 0;
  vi.spyOn(Atomics, 'wait').mockImplementation((_words, _at, _value, timeoutMs = Infinity) => {
    waits += 1;
    waitedMs += timeoutMs;
    if (waits > retakes) lock.release();
    return 'ok';
  });
  return { lock, waitedMs: () => waitedMs };
}

test('whoever waits for a lock gets it from another side that takes it again and again', () => {
  expect(heldLock(0).lock.acquirePatiently()).toBe(true);
  expect(heldLock(5).lock.acquirePatiently()).toBe(true);
});

test('and waits for 50 ms in all', () => {
  const { lock, waitedMs } = heldLock(Infinity);
  expect(lock.acquirePatiently()).toBe(false);
  expect(waitedMs()).toBe(50);
});
