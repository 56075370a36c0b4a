/** One thing that happened in the collector, for a person on a terminal or a machine behind stderr. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Stable, dotted: `flush.held`, `ring.dropped`, `jobs.problem`, … */
  readonly event: string;
  readonly text: string;
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
}

export type Log = (entry: LogEntry) => void;
