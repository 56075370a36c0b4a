import { quoteText } from '../../schemas/tables.ts';

/** Whose jobs may be told of: those of a user, and those of some accounts. Where there is none, everybody's. */
export interface Sight {
  readonly user: string | undefined;
  readonly accounts: ReadonlySet<string>;
}

/** What a job is known to be of. */
interface OfJob {
  readonly user?: string | undefined;
  readonly account?: string | undefined;
}

/** A job of which nobody told whose it is, is seen only where everything is. */
export function isSeen(sight: Sight | undefined, { user, account }: OfJob): boolean {
  if (sight === undefined) return true;
  return (
    (user !== undefined && user === sight.user) || (account !== undefined && sight.accounts.has(account))
  );
}

/** The same as a condition on rows of `jobs`. */
export function seenSql(sight: Sight | undefined): string {
  if (sight === undefined) return 'true';
  const accounts = [...sight.accounts].map(quoteText).join(', ');
  const conditions = [
    ...(sight.user === undefined ? [] : [`"user" = ${quoteText(sight.user)}`]),
    ...(accounts === '' ? [] : [`account IN (${accounts})`]),
  ];
  return conditions.length === 0 ? 'false' : `(${conditions.join(' OR ')})`;
}
