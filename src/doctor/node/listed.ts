import type { Config } from '../../config/config.ts';
import { listInWorker } from '../../sampler/sampler.ts';
import type { Listing } from '../../sampler/sampler-protocol.ts';

/** Asks libnvidia-ml in a thread of its own. @throws OperatingError as `gpuledger devices` */
export async function listByNvml({ node, nvml }: Config): Promise<Listing> {
  return await listInWorker({ name: 'nvml', node, ...libraryOf(nvml) });
}

/** Asks libdcgm, and the engine of the configuration. @throws OperatingError as `gpuledger devices` */
export async function listByDcgm({ node, dcgm }: Config): Promise<Listing> {
  return await listInWorker({ name: 'dcgm', node, engine: dcgm.engine, ...libraryOf(dcgm) });
}

function libraryOf({ library }: { readonly library?: string }): { readonly library?: string } {
  return library === undefined ? {} : { library };
}
