import { OperatingError } from '../core/base/errors.ts';
import { fileFaultOf } from '../core/base/file-fault.ts';
import { needsRights } from './machine.ts';

/** What this user may see of it. @throws NotTold where somebody with more rights would be told */
export async function asThisUser<T>(what: string, look: () => T | Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (thrown) {
    const isForbidden =
      thrown instanceof OperatingError
        ? thrown.exit === 'permission'
        : fileFaultOf(thrown)?.exit === 'permission';
    if (isForbidden) throw needsRights(`${what} may not be looked at`);
    throw thrown;
  }
}
