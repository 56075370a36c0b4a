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
  readonly watch: NvmlEventWatch | undefined;
  readonly onEvent: EventSink;
  /** Frees what the library holds for us; called before it is shut down. */
  readonly onShutdown: () => void;
}): NvmlPresence {
  const { nvml, node, selected, watch, onEvent } = options;
  const places: readonly Place[] = selected.map((device) => ({
    uuid: device.device.uuid,
    now: device,
    lostSinceUs: undefined,
  }));
  const hasInstances = selected.some(({ device }) => device.parentUuid !== undefined);
  let layout = hasInstances ? layoutOf(listNvmlDevices(nvml, node).devices) : '';
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
  const find = (devices: readonly NvmlDevice[], nowUs: number): void => {
    const now = new Map(devices.map((each) => [each.device.uuid, each]));
    for (const place of places) {
      place.now = now.get(place.uuid);
      if (place.now !== undefined) tellFound(place, nowUs);
    }
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
  const startAnew = (nowUs: number): void => {
    options.onShutdown();
    // The library counts who uses it and starts anew only when nobody does.
    nvml.shutdown();
    const code = nvml.init();
    if (code === nvmlReturn.LIB_RM_VERSION_MISMATCH) throw driverReplaced(nvml.library.path);
    if (code !== SUCCESS) {
      for (const index of places.keys()) lose(index, code, nowUs);
      return;
    }
    const { devices } = listNvmlDevices(nvml, node);
    find(devices, nowUs);
    // What changed while a GPU was away is no change that the others must hear of.
    if (hasInstances) layout = layoutOf(devices);
  };

  return {
    at: (index) => places[index]!.now,
    lose,
    recover(nowUs) {
      if (nowUs < againAtUs) return false;
      againAtUs = nowUs + againStepUs;
      againStepUs = Math.min(2 * againStepUs, AGAIN_MOST_US);
      // A worker that is stuck in the library keeps it from starting anew.
      if (watch?.letGo() === false) return false;
      startAnew(nowUs);
      watch?.goOn();
      if (places.every(({ lostSinceUs }) => lostSinceUs === undefined)) {
        againAtUs = Infinity;
        againStepUs = AGAIN_FIRST_US;
      }
      return true;
    },
    followLayout(nowUs) {
      if (!hasInstances || againAtUs !== Infinity) return false;
      const { devices } = listNvmlDevices(nvml, node);
      const before = layout;
      layout = layoutOf(devices);
      if (layout === before) return false;
      find(devices, nowUs);
      const text =
        'the MIG layout changed: instances that are gone end here, new ones are sampled after a restart of the collector';
      onEvent({ tsUs: nowUs, node, kind: 'mig_changed', subject: 'mig', text });
      return true;
    },
  };
}

/** GPU instance ids are used again at once after a change, so they alone do not tell one instance from another. */
function layoutOf(devices: readonly NvmlDevice[]): string {
  return devices
    .filter(({ device }) => device.parentUuid !== undefined)
    .map(({ device }) => `${device.uuid} ${device.gpuInstanceId ?? ''}`)
    .join();
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
