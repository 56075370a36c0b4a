import { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
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

export function syncJson(outcomes: readonly SyncOutcome[]): string {
  const replies = outcomes.map(({ failure, ...counts }) => ({
    ...counts,
    failure: failure === undefined ? null : { code: failure.code, message: failure.message },
  }));
  return `${JSON.stringify({ replies })}\n`;
}

/**
 * The error to end with, after the others were told: none where every command that is there answered, and was understood.
 * What may go better next time comes first.
 */
export function syncFailure(outcomes: readonly SyncOutcome[], tell: Tell): OperatingError | undefined {
  const missing = outcomes.flatMap(({ failure }) => (failure?.exit === 'unavailable' ? [failure] : []));
  if (missing.length === outcomes.length) {
    const [first, ...others] = missing;
    for (const { code, message } of others) tell({ level: 'error', code, sentence: message });
    return first;
  }
  const failures = outcomes.flatMap(({ failure }) =>
    failure === undefined || failure.exit === 'unavailable' ? [] : [failure],
  );
  const refusal = refusalOf(outcomes);
  if (refusal !== undefined) failures.push(refusal);
  const [first, ...others] = failures.sort(
    (a, b) => Number(b.exit === 'temporary') - Number(a.exit === 'temporary'),
  );
  for (const { code, message } of others) tell({ level: 'error', code, sentence: message });
  return first;
}

function refusalOf(outcomes: readonly SyncOutcome[]): OperatingError | undefined {
  const refused = outcomes.filter(({ refusedRows }) => refusedRows > 0);
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
