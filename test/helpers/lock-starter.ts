/** A process that claims directories, or asks who has them, as it is told by its parent; it holds what it has got until it is told to let go. */
import { OperatingError } from '../../src/core/base/errors.ts';
import { lockDirectory, lockOwner } from '../../src/disk/state-lock.ts';

export type StarterOrder =
  { readonly claim: string } | { readonly ask: string; readonly times: number } | { readonly letGo: true };

/** Of a claim: its own pid, or why it was refused. Of many questions: the owners that it was told, each once. */
export type StarterAnswer =
  { readonly pid: number } | { readonly refused: string } | { readonly owners: readonly (number | null)[] };

let release: (() => void) | undefined;

async function answerTo(order: StarterOrder): Promise<StarterAnswer> {
  if ('letGo' in order) {
    release?.();
    release = undefined;
    return { pid: process.pid };
  }
  if ('ask' in order) {
    const owners = new Set<number | null>();
    for (let count = 0; count < order.times; count += 1) owners.add((await lockOwner(order.ask)) ?? null);
    return { owners: [...owners] };
  }
  try {
    release = await lockDirectory(order.claim);
    return { pid: process.pid };
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    return { refused: `${thrown.code}: ${thrown.message}` };
  }
}

process.on('message', (order: StarterOrder) => {
  void answerTo(order).then((answer) => process.send!(answer));
});
process.on('disconnect', () => process.exit());
