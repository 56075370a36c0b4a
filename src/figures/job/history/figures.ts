/** What of a run is held against its earlier runs, by name and unit. */
export const AMOUNT_KEYS = ['gpuUs', 'joules', 'periodUs', 'joulesPerStep'] as const;
export type AmountKey = (typeof AMOUNT_KEYS)[number];

/**
 * GPU time that it owned, energy, length of a step and energy of one. Undefined is what is not known: of a run that is not over its
 * GPU time and energy, of one that was not seen nearly whole its energy.
 */
export type RunAmounts = Readonly<Record<AmountKey, number | undefined>>;

/** An earlier run. Times are epoch µs. */
export interface PastRun {
  /** As people type it: `6_1`, `2+1`, `4217`. */
  readonly typedId: string;
  readonly run: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly amounts: RunAmounts;
}

/** An amount of this run beside those of the earlier ones of which it is known, one at least; in the unit of its key. */
export interface ComparedAmount {
  readonly key: AmountKey;
  readonly value: number | undefined;
  readonly median: number;
  /** Median of how far the earlier ones are from their median. */
  readonly mad: number;
  /** Of how many earlier runs it is known. */
  readonly count: number;
  readonly isRegressed: boolean;
}

/** A job beside its last runs: those of the same user, name and cluster on as many GPUs of the same models. */
export interface JobHistory {
  /** One at least, newest first. */
  readonly runs: readonly PastRun[];
  /** In the order of `AMOUNT_KEYS`; without those that are known of no earlier run. */
  readonly compared: readonly ComparedAmount[];
}

/** What stands out beside earlier runs. By `typedIds` this run and earlier ones can be asked for. */
export type HistoryFound =
  | {
      readonly rule: 'regressed';
      /** Those that are more than usual. */
      readonly amounts: readonly ComparedAmount[];
      readonly typedIds: readonly string[];
    }
  | {
      /** Runs that failed soon, one after the other. */
      readonly rule: 'crash-loop';
      /** This run is one of them. */
      readonly count: number;
      /** When the first of them began, epoch µs. */
      readonly sinceUs: number;
      readonly typedIds: readonly string[];
    };
