/** One thing that happened, told once: for the log, and for whoever else listens. */
export interface Notice {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Stable, dotted: `delivery.held`, `ring.dropped`, `job.failed`, … */
  readonly code: string;
  /** For people. */
  readonly sentence: string;
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
}

export type Tell = (notice: Notice) => void;
