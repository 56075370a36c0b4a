import { setTimeout as sleep } from 'node:timers/promises';
import type { Tell } from '../core/base/notice.ts';
import type { LaneAccount } from '../delivery/lane-accounts.ts';
import type { Collector } from './collector.ts';

/** How long the shutdown may take: systemd's own patience is 90 s, Slurm's and Kubernetes' 30 s. */
const SHUTDOWN_DEADLINE_MS = 15_000;
/** A store that takes nothing for so long is left to the next run, when all rows are on disk. */
const STORE_PATIENCE_MS = 3_000;
/** A tick that is under way has this long to end; a native call can hang for a minute. */
export const SAMPLER_PATIENCE_MS = 2_000;

/** A question that the store leaves unanswered keeps nobody from going. */
const UNANSWERED_MS_MAX = 3_000;

/** Looks whether the store has put away what it took; one that does not answer keeps nobody from going. */
export async function lookOnceMore(collector: Pick<Collector, 'watchStore'>): Promise<void> {
  await Promise.race([collector.watchStore(), sleep(UNANSWERED_MS_MAX, undefined, { ref: false })]);
}

/**
 * Flushes until the store has everything, and waits for what is under way; until the deadline while it takes rows or some are in memory only; a little
 * while otherwise. Then what is left is on the disk.
 * @param whenIdle resolves when nothing that the clock has begun is under way any more
 */
export async function shutDown(
  collector: Collector,
  whenIdle: () => Promise<void>,
  tell: Tell,
): Promise<boolean> {
  const endMs = performance.now() + SHUTDOWN_DEADLINE_MS;
  const leaveMs = SHUTDOWN_DEADLINE_MS + UNANSWERED_MS_MAX;
  const left = sleep(leaveMs, false, { ref: false });
  const giveUp = setTimeout(collector.stopSending, SHUTDOWN_DEADLINE_MS);
  const sum = (amount: (lane: LaneAccount) => number): number =>
    collector.account().reduce((total, lane) => total + amount(lane), 0);
  await collector.stopSampling(SAMPLER_PATIENCE_MS);
  const callMs = collector.callMs();
  if (callMs >= SAMPLER_PATIENCE_MS) {
    const sentence = `the source has not answered for ${(callMs / 1000).toFixed(1)} s: going without what it holds`;
    tell({ level: 'warn', code: 'source.silent', sentence, data: { callMs } });
  }
  collector.noteStats();
  // A server may have taken rows into tables that are not ours any more: the next flush sends them once more.
  const write = async (): Promise<boolean> => (await collector.flush()) && (await collector.watchStore());
  const flush = (): Promise<boolean> => Promise.race([write(), left]);
  let isAllWritten = await flush();
  let acknowledgedRows = sum((lane) => lane.acknowledgedRows);
  let lastMoveMs = performance.now();
  while (!isAllWritten && performance.now() < endMs) {
    const isIdle = performance.now() - lastMoveMs > STORE_PATIENCE_MS;
    if (isIdle && sum((lane) => lane.heldRows) === 0) break;
    await sleep(500);
    isAllWritten = await flush();
    const rows = sum((lane) => lane.acknowledgedRows);
    if (rows > acknowledgedRows) lastMoveMs = performance.now();
    acknowledgedRows = rows;
  }
  // A re-label that is cut off here would be left to the next run; a store that is away keeps nobody waiting.
  await Promise.race([whenIdle(), isAllWritten ? left : sleep(STORE_PATIENCE_MS, false, { ref: false })]);
  if (isAllWritten) {
    // The report before was of what still waited then, and nobody reports for this collector any more.
    collector.noteStats();
    await flush();
  }
  clearTimeout(giveUp);
  if (isAllWritten) return true;
  const spooledRows = sum((lane) => lane.spooledRows);
  const heldRows = sum((lane) => lane.heldRows);
  const lost = heldRows === 0 ? '' : `; ${heldRows} could not be spooled`;
  const sentence = `the store did not take everything: ${spooledRows} rows are spooled and will be sent by the next run${lost}`;
  tell({
    level: heldRows === 0 ? 'warn' : 'error',
    code: 'shutdown.unsent',
    sentence,
    data: { spooledRows, heldRows },
  });
  return false;
}
