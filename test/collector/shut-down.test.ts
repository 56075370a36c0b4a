/** The order of the end: what the clock has begun is done before the store is closed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Collector } from '../../src/collector/collector.ts';
import { shutDown } from '../../src/collector/shut-down.ts';

test('waits for what is under way when all rows are written', async () => {
  const collector = {
    stopSampling: () => Promise.resolve(),
    callMs: () => 0,
    noteStats: () => undefined,
    flush: () => Promise.resolve(true),
    watchStore: () => Promise.resolve(true),
    account: () => [],
    stopSending: () => undefined,
  } as unknown as Collector;
  const idle = Promise.withResolvers<undefined>();
  let isOver = false;
  const ended = shutDown(
    collector,
    () => idle.promise,
    () => undefined,
  ).finally(() => (isOver = true));
  await sleep(50);
  expect(isOver).toBe(false);
  idle.resolve(undefined);
  expect(await ended).toBe(true);
});
