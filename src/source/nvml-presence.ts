import { nvmlReturn } from '../../native/nvml-layout.ts';
import { nvmlCodeText } from '../../native/nvml.ts';
import type { Nvml } from '../../native/nvml.ts';
import { OperatingError } from '../core/errors.ts';
import type { EventSink } from '../core/source.ts';
import { listNvmlDevices } from './nvml-devices.ts';
import type { NvmlDevice } from './nvml-devices.ts';
import type { NvmlEventWatch } from './nvml-event-watch.ts';

/** A lost GPU must not cost the others their profiling pairs too often: tried again after 5, 10, 20 … seconds. */
const AGAIN_FIRST_US = 5_000_000;
const AGAIN_MOST_US = 300_000_000;
/** A GPU whose calls hang would hang the search for it too. */
const STUCK_REST_US = 60_000_000;
const SUBJECT = 'nvml';
const SUCCESS: number = nvmlReturn.NVML_SUCCESS;

interface Place {
  readonly uuid: string;
  readonly parentUuid: string | undefined;
  /** Undefined while the device is away. */
  now: NvmlDevice | undefined;
  lostSinceUs: number | undefined;
}

/** Which of the sampled devices are there, through lost GPUs, driver reloads and changes of the MIG layout. */
export interface NvmlPresence {
  /** The device as it is now; undefined while it is away. Positions as at the opening. */
  at(index: number): NvmlDevice | undefined;
  /** Takes note that a call said that a device is away. Told once, by `engine_lost`. */
  lose(index: number, code: number, nowUs: number): void;
  /**
   * Looks for lost devices when it is time to, by initialising the library anew.
   * @returns whether it did: all handles and samples of before are then gone.
   * @throws OperatingError (exit 75) when only a new process can go on.
   */
  recover(nowUs: number): boolean;
  /** Looks whether the MIG layout is another. @returns whether it is: samples of before are then of other instances. */
  followLayout(nowUs: number): boolean;
}

export function createPresence(options: {
  readonly nvml: Nvml;
  readonly node: string;
  readonly selected: readonly NvmlDevice[];
  /** All devices of the node as they were at the opening. */
  readonly known: readonly NvmlDevice[];
  readonly watch: NvmlEventWatch | undefined;
  readonly onEvent: EventSink;
  /** Frees what the library holds for us; called before it is shut down. */
  readonly onShutdown: () => void;
}): NvmlPresence {
  const { nvml, node, selected, watch, onEvent } = options;
  const places: readonly Place[] = selected.map((device) => ({
    uuid: device.device.uuid,
    parentUuid: device.device.parentUuid,
    now: device,
    lostSinceUs: undefined,
  }));
  const hasInstances = selected.some(({ device }) => device.parentUuid !== undefined);
  /** By UUID of the GPU: its instances. */
  const layouts = new Map<string, string>();
  let againAtUs = Infinity;
  let againStepUs = AGAIN_FIRST_US;

  const tellFound = (place: Place, nowUs: number): void => {
    const { lostSinceUs, uuid } = place;
    if (lostSinceUs === undefined) return;
    place.lostSinceUs = undefined;
    const text = `${uuid} is there again after ${((nowUs - lostSinceUs) / 1e6).toFixed(1)} s`;
    onEvent({
      tsUs: lostSinceUs,
      endUs: nowUs,
      node,
      gpu: uuid,
      kind: 'engine_found',
      subject: SUBJECT,
      text,
    });
  };
  const lose = (index: number, code: number, nowUs: number): void => {
    const place = places[index]!;
    place.now = undefined;
    const restUs = code === nvmlReturn.TIMEOUT ? STUCK_REST_US : 0;
    // The first search is at the next tick; a GPU that is lost again soon after waits for its turn.
    if (againAtUs === Infinity) againAtUs = nowUs + (againStepUs === AGAIN_FIRST_US ? restUs : againStepUs);
    if (place.lostSinceUs !== undefined) return;
    place.lostSinceUs = nowUs;
    const text = `${place.uuid} is lost: NVML answered ${nvmlCodeText(code)}`;
    onEvent({ tsUs: nowUs, node, gpu: place.uuid, kind: 'engine_lost', code, subject: SUBJECT, text });
  };
  /** Takes the devices as they are. @returns whether a GPU that is there has another MIG layout than before. */
  const find = (devices: readonly NvmlDevice[], nowUs: number): boolean => {
    const now = new Map(devices.map((each) => [each.device.uuid, each]));
    for (const [index, place] of places.entries()) {
      place.now = now.get(place.uuid);
      if (place.now !== undefined) tellFound(place, nowUs);
      // An instance whose GPU is there is not lost: it was taken away.
      else if (now.has(place.parentUuid ?? '')) place.lostSinceUs = undefined;
      else lose(index, nvmlReturn.GPU_NOT_FOUND, nowUs);
    }
    if (!takeLayouts(layouts, devices)) return false;
    const text =
      'the MIG layout changed: instances that are gone end here, new ones are sampled after a restart of the collector';
    onEvent({ tsUs: nowUs, node, kind: 'mig_changed', subject: 'mig', text });
    return true;
  };
  /** @returns whether the library could be started. */
  const startAnew = (nowUs: number): boolean => {
    options.onShutdown();
    // The library counts who uses it and starts anew only when nobody does.
    nvml.shutdown();
    const code = nvml.init();
    if (code === nvmlReturn.LIB_RM_VERSION_MISMATCH) throw driverReplaced(nvml.library.path);
    const inventory = code === SUCCESS ? listNvmlDevices(nvml, node) : undefined;
    if (inventory?.code === SUCCESS) {
      find(inventory.devices, nowUs);
      return true;
    }
    for (const index of places.keys()) lose(index, inventory?.code ?? code, nowUs);
    return false;
  };

  takeLayouts(layouts, options.known);
  return {
    at: (index) => places[index]!.now,
    lose,
    recover(nowUs) {
      if (nowUs < againAtUs) return false;
      againAtUs = nowUs + againStepUs;
      againStepUs = Math.min(2 * againStepUs, AGAIN_MOST_US);
      // A worker that is stuck in the library keeps it from starting anew.
      if (watch?.letGo() === false) return false;
      if (startAnew(nowUs)) watch?.goOn();
      if (places.every(({ lostSinceUs }) => lostSinceUs === undefined)) {
        againAtUs = Infinity;
        againStepUs = AGAIN_FIRST_US;
      }
      return true;
    },
    followLayout(nowUs) {
      // While a GPU is away, the search for it takes the layout too.
      if (!hasInstances || againAtUs !== Infinity) return false;
      const { code, devices } = listNvmlDevices(nvml, node);
      return code === SUCCESS && find(devices, nowUs);
    },
  };
}

/**
 * Notes the instances of every GPU that is there. GPU instance ids are used again at once after a change, so they alone do
 * not tell one instance from another. @returns whether any GPU that was there before has others now.
 */
function takeLayouts(layouts: Map<string, string>, devices: readonly NvmlDevice[]): boolean {
  let isNew = false;
  for (const { device: gpu } of devices) {
    if (gpu.parentUuid !== undefined) continue;
    const layout = devices
      .filter(({ device }) => device.parentUuid === gpu.uuid)
      .map(({ device }) => `${device.uuid} ${device.gpuInstanceId ?? ''}`)
      .join();
    const before = layouts.get(gpu.uuid);
    layouts.set(gpu.uuid, layout);
    if (before !== undefined && before !== layout) isNew = true;
  }
  return isNew;
}

function driverReplaced(where: string): OperatingError {
  return new OperatingError(
    'the NVIDIA driver was replaced while gpuledger ran: its library is of the old one',
    {
      code: 'nvml.driver_replaced',
      exit: 'temporary',
      where,
      hints: ['start gpuledger again: it then loads the library of the new driver'],
    },
  );
}
