import { OperatingError } from '../core/base/errors.ts';

/** What was thrown, of the world. A mistake of our own, and what tells that something cannot be told, are thrown on. */
export function operating(thrown: unknown): OperatingError {
  if (thrown instanceof OperatingError) return thrown;
  throw thrown;
}

export function sentence({ message, where }: OperatingError): string {
  return where === undefined ? message : `${message} (${where})`;
}
