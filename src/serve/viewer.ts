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

/** Whether a job of this user and account may be shown. What nobody told whose it is, is the operators'. */
export function maySee(
  { name, isOperator, accounts }: Viewer,
  { user, account }: { readonly user?: string | undefined; readonly account?: string | undefined },
): boolean {
  if (isOperator) return true;
  return (user !== undefined && user === name) || (account !== undefined && accounts.has(account));
}
