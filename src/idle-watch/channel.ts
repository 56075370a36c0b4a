import type { OperatingError } from '../core/base/errors.ts';
import type { Message } from './message.ts';

/** What became of a message: `refused` is the receiver's word about this one message, which no later try would change. */
export type Taken =
  | { readonly kind: 'told' }
  | { readonly kind: 'refused'; readonly error: OperatingError }
  | { readonly kind: 'failed'; readonly error: OperatingError };

/** A way to tell, beside the log. Never throws for what the world does. */
export interface Channel {
  /** Within a time limit, whatever the receiver does. @param signal ends it at once */
  send(message: Message, signal: AbortSignal): Promise<Taken>;
  close(): Promise<void>;
}
