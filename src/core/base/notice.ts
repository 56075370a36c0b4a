import type { ErrorCode } from './error-codes.ts';
import type { NoticeCode } from './notice-codes.ts';

/** One thing that happened, told once: for the log, and for whoever else listens. */
export interface Notice {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Stable: of the thing itself, or of the error that is told. */
  readonly code: NoticeCode | ErrorCode;
  /** For people. */
  readonly sentence: string;
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
}

export type Tell = (notice: Notice) => void;
