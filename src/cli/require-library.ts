import { dcgmWanted, isAtHand, nvmlWanted } from '../../native/library-places.ts';
import type { Config } from '../config/config.ts';

/**
 * Fails where the library of the source is missing, before the code that would need it is loaded: most who see this
 * message see it first of all.
 * @throws OperatingError exit 69
 */
export async function requireLibrary({
  source,
  dcgm,
  nvml,
}: Pick<Config, 'source' | 'dcgm' | 'nvml'>): Promise<void> {
  // Where one lies in its usual place it is loaded later, by the thread or process that uses it.
  if (source === 'dcgm' && !isAtHand(dcgmWanted(dcgm.library))) {
    const { loadDcgm } = await import('../../native/dcgm.ts');
    loadDcgm(dcgm.library);
  }
  if (source === 'nvml' && !isAtHand(nvmlWanted(nvml.library))) {
    const { loadNvml } = await import('../../native/nvml.ts');
    loadNvml(nvml.library);
  }
}
