import { messageOf, OperatingError, type ErrorDetail } from './errors.ts';

/** What an error says, as plain data: so it crosses from a worker or a child process to whoever started it. */
export interface CarriedError extends Pick<ErrorDetail, 'where' | 'hints'> {
  readonly message: string;
  /** `defect` for what is no `OperatingError`. */
  readonly code: ErrorDetail['code'] | 'defect';
  /** Absent for a defect, and only then. */
  readonly exit?: ErrorDetail['exit'];
  /** Of a defect: where it happened. An `OperatingError` says that in its own words. */
  readonly stack?: string;
}

export function carried(thrown: unknown): CarriedError {
  if (thrown instanceof OperatingError) {
    const { message, code, exit, where, hints } = thrown;
    return { message, code, exit, hints, ...(where === undefined ? {} : { where }) };
  }
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  return { message: messageOf(thrown), code: 'defect', ...(stack === undefined ? {} : { stack }) };
}

export function errorFrom({ message, code, exit, where, hints, stack }: CarriedError): Error {
  if (code === 'defect' || exit === undefined) {
    const error = new Error(message);
    if (stack !== undefined) error.stack = stack;
    return error;
  }
  return new OperatingError(message, {
    code,
    exit,
    ...(where === undefined ? {} : { where }),
    ...(hints === undefined ? {} : { hints }),
  });
}
