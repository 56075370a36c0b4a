import type { Ring } from './ring.ts';

/**
 * The first tick of `ring` follows the last one of `former`, as if it were the same ring: no dt and no energy is cut.
 * @param deviceInFormer position there of each device of `ring`; -1 for one that it did not have
 */
export function continueRing(ring: Ring, former: Ring, deviceInFormer: readonly number[]): void {
  for (const [device, there] of deviceInFormer.entries()) {
    if (there >= 0) ring.carry.continueFrom(device, former.carry.before(there));
  }
}
