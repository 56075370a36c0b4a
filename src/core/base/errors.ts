/**
 * The operating errors of gpuledger: what the world did wrong, told so that a person can mend it. A mistake of our
 * own is an `AssertionError` (see `assert.ts`) and is never caught.
 */

import type { ErrorCode } from './error-codes.ts';

/** Exit codes of the command line, after sysexits.h. `docs/exit-codes.md` explains them to users. */
export const EXIT_CODES = {
  ok: 0,
  /** The command line itself is wrong. */
  usage: 64,
  /** Data that was read is malformed (a recording, a spool segment). */
  data: 65,
  /** A needed service, library or program is missing. */
  unavailable: 69,
  /** A defect of gpuledger. */
  software: 70,
  /** Worth trying again later: a store or an engine is down. */
  temporary: 75,
  /** Whoever runs the command may not do that. */
  permission: 77,
  /** The configuration can never work as it stands. */
  config: 78,
} as const;

export type ExitName = keyof typeof EXIT_CODES;

export interface ErrorDetail {
  /** Machine-readable, stable: `config.invalid`, `questdb.unreachable`, … */
  code: ErrorCode;
  /** Which exit code the command line ends with if nobody handles the error. */
  exit: ExitName;
  /** Where it happened: file and line, table, device, URL without credentials. */
  where?: string;
  /** What to do about it, one way out a line. */
  hints?: readonly string[];
  cause?: unknown;
}

/** An error of the world: one sentence saying what was expected and what came, where, and the ways out. */
export class OperatingError extends Error {
  override readonly name = 'OperatingError';
  readonly code: ErrorCode;
  readonly exit: ExitName;
  readonly where: string | undefined;
  readonly hints: readonly string[];

  constructor(message: string, detail: ErrorDetail) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = detail.code;
    this.exit = detail.exit;
    this.where = detail.where;
    this.hints = detail.hints ?? [];
  }
}

/** The message of anything that was thrown, for logs and causes. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** One line for a log: what was expected, what came, where, and the ways out. */
export function sentenceOf({ message, where, hints }: OperatingError): string {
  const what = where === undefined ? message : `${message} (${where})`;
  return [what, hints.join(', ')].filter((part) => part !== '').join('; ');
}
