import { formatCount } from '../../report/text/format-quantity.ts';
import type { Listing } from '../../sampler/sampler-protocol.ts';
import { diagnoseEngine } from '../../source/dcgm/engine-diagnosis.ts';
import { fine, wrong, wrongBy, type Check } from '../check.ts';
import { NotTold } from '../not-told.ts';
import { operating, sentence } from '../operating.ts';

/** Codes of what is wrong with a library before anything behind it was asked. */
const OF_LIBRARY = /^library\./;

export const driver: Check = {
  part: 'node',
  name: 'driver',
  why: 'libnvidia-ml comes with the driver, and nothing of a GPU is seen without it',
  async look(facts) {
    const config = await facts.config();
    if (config.source !== 'nvml' && config.source !== 'dcgm') return undefined;
    // An engine elsewhere has its own.
    if (config.source === 'dcgm' && config.dcgm.engine !== 'embedded') return undefined;
    try {
      const { devices, refused = [], about } = await facts.nvml();
      const gpus = devices.filter(({ device }) => device.parentUuid === undefined);
      if (refused.length > 0) return wrong(refused.join('; '), ['dmesg | grep -i nvrm', 'nvidia-smi']);
      if (gpus.length === 0) return wrong(`${about} sees no GPU`, ['nvidia-smi', 'lspci | grep -i nvidia']);
      return fine(
        `${gpus[0]!.device.driver ?? 'of unknown version'}, ${formatCount(gpus.length, 'GPU')} by ${about}`,
      );
    } catch (thrown) {
      return wrongBy(operating(thrown));
    }
  },
};

export const libdcgm: Check = {
  part: 'node',
  name: 'libdcgm',
  why: 'the source dcgm samples by this library',
  async look(facts) {
    if ((await facts.config()).source !== 'dcgm') return undefined;
    try {
      const { versions } = await facts.dcgm();
      return fine(versions?.library.text ?? 'found');
    } catch (thrown) {
      const error = operating(thrown);
      return OF_LIBRARY.test(error.code) ? wrongBy(error) : fine('found');
    }
  },
};

export const engine: Check = {
  part: 'node',
  name: 'engine',
  why: 'an engine that does not answer, or is older than the library, gives no samples',
  async look(facts) {
    const { source, dcgm } = await facts.config();
    if (source !== 'dcgm') return undefined;
    try {
      const listing = await facts.dcgm();
      const misfit = misfitOf(listing);
      return misfit === undefined
        ? fine(listing.about)
        : wrong(misfit, [
            'update the engine first: the library may be older, and not newer',
            'or name the library that belongs to it: dcgm.library',
          ]);
    } catch (thrown) {
      const error = operating(thrown);
      if (OF_LIBRARY.test(error.code)) throw new NotTold('there is no libdcgm that could ask it');
      if (dcgm.engine === 'embedded') return wrongBy(error);
      return wrong(`${sentence(error)}: ${await diagnoseEngine(dcgm.engine)}`, [
        ...error.hints,
        'systemctl start nvidia-dcgm, or leave dcgm.engine out: gpuledger brings its own',
      ]);
    }
  },
};

/** Why library and engine cannot talk; undefined where they can. */
export function misfitOf({ about, versions }: Listing): string | undefined {
  const { library, engine: own } = versions ?? {};
  if (library === undefined || own === undefined) return undefined;
  if (library.major !== own.major) return `libdcgm is ${library.text}, and there answers ${about}`;
  // Reads of newest values have a version of their own, which older engines do not know.
  return library.minor > own.minor
    ? `libdcgm ${library.text} is newer than the engine, which refuses its reads: ${about}`
    : undefined;
}
