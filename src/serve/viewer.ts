import { isSeen, type Sight } from '../figures/sight.ts';

/** Who asks, as far as what he may see depends on it. */
export interface Viewer {
  /** As the scheduler has it; undefined where nobody was asked who he is. */
  readonly name: string | undefined;
  /** May see everything. */
  readonly isOperator: boolean;
  /** Whose jobs he may see beside his own. */
  readonly accounts: ReadonlySet<string>;
}

/** Where nobody is asked who he is: on the loopback of a machine, whose users can ask its store themselves. */
export const EVERYBODY: Viewer = { name: undefined, isOperator: true, accounts: new Set() };

/** Of whom it is not known who he is. */
export const NOBODY: Viewer = { name: undefined, isOperator: false, accounts: new Set() };

/** Whose jobs he may be told of; undefined: everybody's. */
export function sightOf({ name, isOperator, accounts }: Viewer): Sight | undefined {
  return isOperator ? undefined : { user: name, accounts };
}

/** By what the account of the fleet has rows of his own: who is a member of no account finds himself among the users. */
export function ownGrouping(sight: Sight | undefined): 'account' | 'user' {
  return sight !== undefined && sight.accounts.size === 0 ? 'user' : 'account';
}

/** Whether a job of this user and account may be shown. */
export function maySee(
  viewer: Viewer,
  job: { readonly user?: string | undefined; readonly account?: string | undefined },
): boolean {
  return isSeen(sightOf(viewer), job);
}
