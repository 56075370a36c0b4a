import { HOUR, MIN } from '../draw/fleet.ts';
import type { LedgerRows, Owners } from './ledger.ts';
import { ALL_LEFT, type Left } from './left.ts';

/** Time in which a device was idle without a break. */
export interface StretchTruth {
  readonly lengthUs: number;
  readonly fromUs: number | undefined;
  /** Only buckets are left that were idle as a whole. */
  readonly isAtLeast: boolean;
}

interface Piece {
  readonly fromUs: number;
  readonly toUs: number;
}

interface IdleRow extends Piece {
  readonly sm: number;
  readonly label: string;
}

/** Stamps that were set apart by so much are no hole. */
const HOLE_US_MIN = 10;

/**
 * The longest one of a device in the rows of a job; undefined where its activity was never known, or where buckets do not tell.
 * @param picked rows of each lane, by their positions @param below it the device is idle @param startUs of the job: buckets are minutes where all of its minutes are left
 */
export function longestIdleTruth(
  picked: readonly {
    readonly rows: LedgerRows;
    readonly at: readonly number[];
    readonly isPrimary: boolean;
  }[],
  below: number,
  left: Left,
  startUs: number,
): StretchTruth | undefined {
  const lanes = [...Map.groupBy(picked, ({ isPrimary, rows }) => (isPrimary ? 0 : rows))].map(([, own]) => ({
    isPrimary: own[0]!.isPrimary,
    own: own.flatMap(idleRows).toSorted((a, b) => a.toUs - b.toUs),
  }));
  const all = lanes.flatMap(({ own }) => own);
  const known = all.filter(({ sm, fromUs, toUs }) => !Number.isNaN(sm) && toUs > fromUs);
  if (known.length === 0) return undefined;
  const idle = all.filter(({ sm }) => sm < below);
  const isAtLeast = left !== ALL_LEFT && idle.some(({ fromUs, toUs }) => toUs > fromUs);
  const pieces =
    left === ALL_LEFT
      ? idle
      : lanes.flatMap(({ own, isPrimary }) =>
          // Only of the lane that decides time has anything aged out.
          wholeBuckets(
            own,
            below,
            !isPrimary || Math.floor((startUs + 1) / HOUR) * HOUR >= left.minutesFromUs ? MIN : HOUR,
          ),
        );
  const longest = longestOf(pieces);
  if (longest === undefined) return isAtLeast ? undefined : { lengthUs: 0, fromUs: undefined, isAtLeast };
  return { fromUs: longest.fromUs, lengthUs: longest.toUs - longest.fromUs, isAtLeast };
}

/** Where another lane tells the activity, this one is not looked at. */
function idleRows({ rows, at }: { readonly rows: LedgerRows; readonly at: readonly number[] }): IdleRow[] {
  return at
    .filter((row) => !rows.isSmTaken(row))
    .map((row) => ({
      fromUs: rows.tsUs[row]! - rows.dtUs[row]!,
      toUs: rows.tsUs[row]!,
      sm: rows.values.get('sm_active_ratio')?.[row] ?? NaN,
      label: labelOf(rows.owners[row]!),
    }));
}

/** Rows of a rollup are kept apart by whose they are. */
function labelOf({ parts }: Owners): string {
  if (parts.length === 1 && parts[0]!.way === 'whole') return 'whole';
  return JSON.stringify(parts.map(({ stay: { run, startUs } }) => [run.jobId, startUs]));
}

function wholeBuckets(rows: readonly IdleRow[], below: number, stepUs: number): Piece[] {
  const buckets = Map.groupBy(rows, ({ toUs, label }) => `${Math.floor(toUs / stepUs)} ${label}`);
  return [...buckets.values()].flatMap((own) => {
    const isWhole = own.every(
      ({ sm, fromUs }, at) =>
        (sm < below || Number.isNaN(sm)) && (at === 0 || fromUs - own[at - 1]!.toUs <= HOLE_US_MIN),
    );
    // A blank at an instant leaves no time unknown.
    const isKnown = own.every(({ sm, fromUs, toUs }) => !Number.isNaN(sm) || fromUs === toUs);
    const isAny = own.some(({ sm }) => !Number.isNaN(sm));
    return isWhole && isKnown && isAny ? [{ fromUs: own[0]!.fromUs, toUs: own.at(-1)!.toUs }] : [];
  });
}

function longestOf(pieces: readonly Piece[]): Piece | undefined {
  let longest: Piece | undefined;
  let current: Piece | undefined;
  for (const piece of pieces.toSorted((a, b) => a.fromUs - b.fromUs)) {
    const follows = current !== undefined && piece.fromUs - current.toUs <= HOLE_US_MIN;
    current = { fromUs: follows ? current!.fromUs : piece.fromUs, toUs: piece.toUs };
    const bestUs = longest === undefined ? 0 : longest.toUs - longest.fromUs;
    if (current.toUs - current.fromUs > bestUs) longest = current;
  }
  return longest;
}
