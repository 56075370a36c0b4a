import { ownerSetsOf } from '../core/jobs/device-parts.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import type { RelabelWindow } from '../core/jobs/relabel.ts';
import type { OwnerSetRow } from '../questdb/rows/owner-set-rows.ts';

/** The owner sets that labels use, each told once. */
export interface OwnerSetNews {
  /** The labels of this time may have become others. */
  note(window: RelabelWindow): void;
  /** Hands out what was not handed out yet, divided by what was told of shares. */
  take(): readonly OwnerSetRow[];
  /** Bounds the memory: forgets the sets that no label uses any more. */
  forget(): void;
}

/** @param cluster of the node, for stays that were told without one */
export function createOwnerSetNews(
  ownership: Pick<Ownership, 'intervals' | 'labelsBetween' | 'ownersAt'>,
  cluster: string | undefined,
): OwnerSetNews {
  let told = new Set<string>();
  let fresh: OwnerSetRow[] = [];

  return {
    note({ gpu, fromUs, toUs }) {
      for (const stretch of ownership.labelsBetween(gpu, fromUs, toUs)) {
        const { ownerSet } = stretch.label;
        if (ownerSet === null || told.has(ownerSet)) continue;
        told.add(ownerSet);
        // A stretch holds its end, and the moment after its beginning.
        const owners = ownership.ownersAt(gpu, Math.min(stretch.fromUs + 1, stretch.toUs));
        const where = owners.find((owner) => owner.cluster !== undefined)?.cluster ?? cluster;
        const members = ownerSetsOf(owners).filter((member) => member.ownerSet === ownerSet);
        fresh.push(...members.map((one) => ({ ...one, ...(where === undefined ? {} : { cluster: where }) })));
      }
    },
    take() {
      const taken = fresh;
      fresh = [];
      return taken;
    },
    forget() {
      const gpus = new Set(ownership.intervals().map(({ gpu }) => gpu));
      const used = [...gpus].flatMap((gpu) => ownership.labelsBetween(gpu, -Infinity, Infinity));
      told = new Set(used.flatMap(({ label }) => label.ownerSet ?? []));
    },
  };
}
