import { nvmlReturn } from '../../../native/nvml-layout.ts';
import { loadNvml, nvmlCodeText, nvmlError } from '../../../native/nvml.ts';
import type { Nvml } from '../../../native/nvml.ts';
import { parseDeviceSelector, selectDevices } from '../../core/devices/device-selector.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { Source } from '../../core/sampling/source.ts';
import { planWatches } from '../../core/sampling/watch-plan.ts';
import { withFacts } from './device-facts.ts';
import { listNvmlDevices } from './devices.ts';
import type { NvmlDevice, NvmlInventory } from './devices.ts';
import { supportsGpm } from './gpm.ts';
import type { NvmlOptions } from './options.ts';
import { NvmlSampling } from './sampling.ts';

const SUCCESS: number = nvmlReturn.NVML_SUCCESS;

/**
 * Opens the source `nvml`: libnvidia-ml alone, no daemon. Profiling fields need Hopper or newer.
 * @param clockMs a monotonic clock: rows are stamped by how long after the tick their device was read.
 * @throws OperatingError exit 69 without the library, the driver or a device, 78 for a lane below the 100 ms floor or a
 * malformed selector.
 */
export function openNvmlSource(
  options: NvmlOptions,
  clockMs: () => number = () => performance.now(),
): Source {
  planWatches(options.lanes);
  const selector = parseDeviceSelector(options.devices ?? 'f');
  const nvml = initialise(options.library);
  try {
    const openedUs = options.openedUs ?? Date.now() * 1000;
    const inventory = inventoryOf(nvml, options.node);
    const selected = withFacts(nvml, chooseDevices(options, selector, inventory, openedUs));
    return new NvmlSampling({ ...options, nvml, inventory, selected, openedUs, clockMs });
  } catch (thrown) {
    nvml.shutdown();
    throw thrown;
  }
}

function initialise(library: string | undefined): Nvml {
  const nvml = loadNvml(library);
  const code = nvml.init();
  if (code !== SUCCESS) throw nvmlError('nvmlInit_v2', code, nvml.library.path);
  return nvml;
}

/** @throws OperatingError when NVML cannot even count its GPUs. */
function inventoryOf(nvml: Nvml, node: string): NvmlInventory {
  const inventory = listNvmlDevices(nvml, node);
  if (inventory.code !== SUCCESS) throw nvmlError('nvmlDeviceGetCount_v2', inventory.code, nvml.library.path);
  return inventory;
}

/** What cannot be had is told; the other devices go on. @throws OperatingError (exit 69) when there is none. */
function chooseDevices(
  options: NvmlOptions,
  selector: ReturnType<typeof parseDeviceSelector>,
  { devices, refused }: NvmlInventory,
  openedUs: number,
): readonly NvmlDevice[] {
  const tell = (subject: string, text: string): void => {
    options.onEvent({ tsUs: openedUs, node: options.node, kind: 'unresolved', subject, text });
  };
  for (const gpu of refused) tell(`gpu_${gpu.index}`, refusalText(gpu));
  const { selected, absent } = selectDevices(selector, devices);
  for (const each of absent) tell(each, `the device selector names ${each}, which this node does not have`);
  if (selected.length > 0) return selected;
  throw new OperatingError(`no device of ${options.node} is selected by "${options.devices ?? 'f'}"`, {
    code: 'source.no_device',
    exit: 'unavailable',
    hints: [
      ...refused.map(refusalText),
      'see what there is: gpuledger devices --source nvml',
      'without a GPU: --source synthetic',
    ],
  });
}

function refusalText({ index, code }: NvmlInventory['refused'][number]): string {
  return `GPU ${index} cannot be had: ${nvmlCodeText(code)}`;
}

/** Lists what NVML sees, and lets go of it. */
export function listDevices(options: { readonly node: string; readonly library?: string }): {
  readonly devices: readonly NvmlDevice[];
  readonly about: string;
  /** Of GPUs that are there and cannot be had, for people. */
  readonly refused: readonly string[];
  /** Indices of GPUs before Hopper, whose profiling counters one client has at a time, and only with rights. */
  readonly withoutGpm: readonly number[];
} {
  const nvml = initialise(options.library);
  try {
    const { devices, refused } = inventoryOf(nvml, options.node);
    const gpus = devices.filter(({ device }) => device.parentUuid === undefined);
    return {
      devices: withFacts(nvml, devices),
      about: `NVML (${nvml.library.path})`,
      refused: refused.map(refusalText),
      withoutGpm: gpus.filter(({ handle }) => !supportsGpm(nvml, handle)).map(({ device }) => device.index),
    };
  } finally {
    nvml.shutdown();
  }
}
