import { ownerSetsOf } from '../core/jobs/device-parts.ts';
import type { LabelStretch, Ownership } from '../core/jobs/ownership.ts';
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
  ownership: Pick<Ownership, 'intervals' | 'intervalsOn' | 'labelsBetween'>,
  cluster: string | undefined,
): OwnerSetNews {
  let told = new Set<string>();
  let fresh: OwnerSetRow[] = [];

  return {
    note({ gpu, fromUs, toUs }) {
      const isFresh = ({ label }: LabelStretch): boolean =>
        label.ownerSet !== null && !told.has(label.ownerSet);
      const stretches = ownership.labelsBetween(gpu, fromUs, toUs).filter(isFresh);
      if (stretches.length === 0) return;
      const [beginUs, endUs] = [stretches[0]!.fromUs, stretches.at(-1)!.toUs];
      const stays = ownership
        .intervalsOn(gpu)
        .filter((interval) => interval.startUs < endUs && interval.endUs > beginUs);
      const where = stays.find((stay) => stay.cluster !== undefined)?.cluster ?? cluster;
      const sets = new Set(stretches.map(({ label }) => label.ownerSet));
      for (const member of ownerSetsOf(stays).filter(({ ownerSet }) => sets.has(ownerSet))) {
        told.add(member.ownerSet);
        fresh.push({ ...member, ...(where === undefined ? {} : { cluster: where }) });
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
