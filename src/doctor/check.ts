import type { OperatingError } from '../core/base/errors.ts';
import type { Facts } from './facts.ts';
import { sentence } from './operating.ts';

/** What the doctor looks at: the machine with the GPUs, the store, the machine of those who ask. */
export const PARTS = ['node', 'store', 'reader'] as const;
export type Part = (typeof PARTS)[number];

/** What a look at one thing gave. Unknown is not fine: what could not be told has a state of its own, and accuses nobody. */
export type Outcome =
  | { readonly state: 'fine'; readonly what: string }
  | {
      readonly state: 'wrong';
      readonly what: string;
      /** Commands, or words where there is no command, one a line. */
      readonly mend: readonly string[];
      /** Why that matters, where it is something else than what the check is mostly about. */
      readonly why?: string;
      /** What can be done without harm, by whoever asked for it. @returns what was done */
      readonly fix?: () => Promise<string> | string;
    }
  | {
      readonly state: 'untold';
      readonly what: string;
      readonly mend: readonly string[];
      /** Somebody with more rights would be told. */
      readonly lacksRights: boolean;
    };

/** One line of the doctor. */
export interface Check {
  readonly part: Part;
  /** Short and stable: scripts may look for it. */
  readonly name: string;
  /** What goes wrong where this is wrong. */
  readonly why: string;
  /** Whoever stops the doctor waits for the end of this look, which takes back what it made. */
  readonly takesBack?: true;
  /** Changes nothing. @returns undefined where this machine has nothing to look at */
  look(facts: Facts): Outcome | undefined | Promise<Outcome | undefined>;
}

export function fine(what: string): Outcome {
  return { state: 'fine', what };
}

export function wrong(what: string, mend: readonly string[], fix?: () => Promise<string> | string): Outcome {
  return { state: 'wrong', what, mend, ...(fix === undefined ? {} : { fix }) };
}

/** @param more what mends it, beside the ways out of the error itself */
export function wrongBy(error: OperatingError, ...more: readonly string[]): Outcome {
  return wrong(sentence(error), [...error.hints, ...more]);
}
