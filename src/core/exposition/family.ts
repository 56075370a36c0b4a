/** A name and a value. */
export type ExpositionLabel = readonly [name: string, value: string];

/** One line of an exposition. */
export interface Series {
  /** In the order in which they are printed. */
  readonly labels: readonly ExpositionLabel[];
  /** As `sampleNumber` and the others write it. */
  readonly number: string;
}

/** What has one name. */
export interface Family {
  /** As the counters file spells it. */
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly series: readonly Series[];
}

/**
 * Which release of dcgm-exporter is meant where two differ: `Hostname` up to 4.8.2 and `hostname` since, numbers with six decimals or
 * the shortest, families in the order of the counters file or of their names.
 */
export const COMPATS = ['4.8.2', '4.8.4'] as const;
export type Compat = (typeof COMPATS)[number];

export const CONTENT_TYPES: Readonly<Record<Compat, string>> = {
  '4.8.2': 'text/plain; charset=utf-8',
  '4.8.4': 'text/plain; version=0.0.4; charset=utf-8',
};
