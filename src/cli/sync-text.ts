import { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import { formatDuration } from '../../schemas/duration.ts';
import type { PollOutcome } from '../job-map/poll-cluster.ts';
import type { SyncCounts, SyncOutcome } from '../job-map/sync-jobs.ts';

/** What became of the rows that were read, in the order in which they add up. */
const PARTS: readonly (readonly [Exclude<keyof SyncCounts, 'readRows'>, string])[] = [
  ['writtenRows', 'written'],
  ['withoutGpuRows', 'without GPUs'],
  ['unknownRows', 'unknown here'],
  ['waitingRows', 'not begun'],
  ['refusedRows', 'refused'],
  ['unsentRows', 'not taken by QuestDB'],
];

/** A line for each command that was asked: the rows that it said, and what became of them. */
export function syncText(outcomes: readonly SyncOutcome[]): string {
  // The error says it.
  if (outcomes.every(({ failure, readRows }) => failure !== undefined && readRows === 0)) return '';
  return outcomes
    .map((outcome) => {
      const { from, readRows, failure } = outcome;
      if (failure?.exit === 'unavailable') return `${from}: passed over: ${failure.message}\n`;
      if (failure !== undefined && readRows === 0) return `${from}: no row read: ${failure.message}\n`;
      const told = PARTS.filter(([count]) => count !== 'unsentRows' || outcome[count] > 0);
      const parts = told.map(([count, words]) => `${outcome[count].toLocaleString('en-US')} ${words}`);
      return `${from}: ${readRows.toLocaleString('en-US')} rows read = ${parts.join(' + ')}\n`;
    })
    .join('');
}

/** A line for each command that told how the cluster is. */
export function pollText(polls: readonly PollOutcome[]): string {
  return polls
    .map((poll) => {
      const { from, failure } = poll;
      // The error says it.
      if (failure !== undefined) return '';
      return `${from}: ${pollWords(poll)}; ${spanWords(poll)}\n`;
    })
    .join('');
}

function pollWords({ what, count, outOfUse }: PollOutcome): string {
  const number = count.toLocaleString('en-US');
  if (what === 'queue') return count === 1 ? '1 job waits for GPUs' : `${number} jobs wait for GPUs`;
  const nodes = count === 1 ? '1 node has GPUs' : `${number} nodes have GPUs`;
  return outOfUse === 0 ? nodes : `${nodes}, ${outOfUse.toLocaleString('en-US')} of them drained or down`;
}

function spanWords({ speaksForMs }: PollOutcome): string {
  return speaksForMs === 0
    ? 'noted for this moment: it was not asked before, or too long ago'
    : `noted for the ${formatDuration(Math.max(1000, Math.round(speaksForMs / 1000) * 1000))} since it was asked before`;
}

/** @param polls how the cluster was told to be */
export function syncJson(outcomes: readonly SyncOutcome[], polls: readonly PollOutcome[]): string {
  const withReason = ({ failure, ...counts }: SyncOutcome | PollOutcome): object => ({
    ...counts,
    failure: failure === undefined ? null : { code: failure.code, message: failure.message },
  });
  return `${JSON.stringify({ replies: outcomes.map(withReason), polls: polls.map(withReason) })}\n`;
}

/**
 * The error to end with, after the others were told: none where every command that is there answered, and was understood.
 * What may go better next time comes first.
 */
export function syncFailure(
  outcomes: readonly SyncOutcome[],
  polls: readonly PollOutcome[],
  tell: Tell,
): OperatingError | undefined {
  const missing = outcomes.flatMap(({ failure }) => (failure?.exit === 'unavailable' ? [failure] : []));
  if (missing.length === outcomes.length) {
    const [first, ...others] = missing;
    for (const { code, message } of others) tell({ level: 'error', code, sentence: message });
    return first;
  }
  const found = [...outcomes, ...polls].flatMap(({ failure }) =>
    failure === undefined || failure.exit === 'unavailable' ? [] : [failure],
  );
  // One command is asked twice, and may fail twice for one reason.
  const failures = found.filter(
    ({ message }, at) => found.findIndex((other) => other.message === message) === at,
  );
  const refusal = refusalOf(outcomes, polls);
  if (refusal !== undefined) failures.push(refusal);
  const [first, ...others] = failures.sort(
    (a, b) => Number(b.exit === 'temporary') - Number(a.exit === 'temporary'),
  );
  for (const { code, message } of others) tell({ level: 'error', code, sentence: message });
  return first;
}

function refusalOf(
  outcomes: readonly SyncOutcome[],
  polls: readonly PollOutcome[],
): OperatingError | undefined {
  const refused = [...outcomes, ...polls].filter(({ refusedRows }) => refusedRows > 0);
  if (refused.length === 0) return undefined;
  const writtenRows = outcomes.reduce((sum, outcome) => sum + outcome.writtenRows, 0);
  const told = refused.map(({ from, refusedRows }) => `${refusedRows} of ${from}`).join(', ');
  return new OperatingError(`rows were refused: ${told}`, {
    code: 'jobs.refused',
    exit: 'data',
    hints: [
      'what is wrong with them is told above',
      writtenRows === 0
        ? 'no other row was written'
        : `${writtenRows.toLocaleString('en-US')} other ${writtenRows === 1 ? 'row was' : 'rows were'} written`,
    ],
  });
}
