import { nvmlReturn } from '../../../native/nvml-layout.ts';
import { nvmlCodeText } from '../../../native/nvml.ts';
import type { Nvml } from '../../../native/nvml.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { EventSink } from '../../core/sampling/source.ts';
import { listNvmlDevices, migLayout } from './devices.ts';
import type { NvmlDevice } from './devices.ts';
import type { NvmlEventWatch } from './event-watch.ts';

/** A lost GPU must not cost the others their profiling pairs too often: tried again after 5, 10, 20 … seconds. */
const AGAIN_FIRST_US = 5_000_000;
const AGAIN_US_MAX = 300_000_000;
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

const gpuUuidOf = (place: Place): string => place.parentUuid ?? place.uuid;

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
  readonly clockMs: () => number;
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
  /** The GPUs that are sampled, whole or by instance: as they are now, and how they were cut at the last look. */
  const gpus = new Map(
    selected.map((each) => [each.device.parentUuid ?? each.device.uuid, each.parentHandle]),
  );
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
  /** Takes the devices as they are. */
  const find = (devices: readonly NvmlDevice[], nowUs: number): void => {
    const now = new Map(devices.map((each) => [each.device.uuid, each]));
    for (const [index, place] of places.entries()) {
      const gpuUuid = gpuUuidOf(place);
      const gpu = now.get(gpuUuid);
      if (gpu === undefined) gpus.delete(gpuUuid);
      else gpus.set(gpuUuid, gpu.handle);
      place.now = now.get(place.uuid);
      if (place.now !== undefined) tellFound(place, nowUs);
      // An instance whose GPU is there is not lost: it was taken away.
      else if (gpu !== undefined) place.lostSinceUs = undefined;
      else lose(index, nvmlReturn.GPU_NOT_FOUND, nowUs);
    }
  };
  /** @returns whether a GPU is cut in another way than at the last look. */
  const readLayouts = (): boolean => {
    let isNew = false;
    // A GPU that is lost may hang whoever asks it something; the search for it takes its layout too.
    const lost = new Set(places.filter((place) => place.lostSinceUs !== undefined).map(gpuUuidOf));
    for (const [uuid, handle] of gpus) {
      if (lost.has(uuid)) continue;
      const layout = migLayout(nvml, handle);
      if (layout === undefined) continue;
      const before = layouts.get(uuid);
      layouts.set(uuid, layout);
      if (before !== undefined && before !== layout) isNew = true;
    }
    return isNew;
  };
  const tellLayout = (nowUs: number): void => {
    const text =
      'the MIG layout changed: instances that are gone end here, new ones are sampled after a restart of the collector';
    onEvent({ tsUs: nowUs, node, kind: 'mig_changed', subject: 'mig', text });
  };
  /** @returns whether the library could be started. */
  const startAnew = (nowUs: number): boolean => {
    options.onShutdown();
    // The library counts who uses it and starts anew only when nobody does.
    nvml.shutdown();
    const code = nvml.init();
    if (code === nvmlReturn.LIB_RM_VERSION_MISMATCH) throw driverReplaced(nvml.library.path);
    const inventory = code === SUCCESS ? listNvmlDevices(nvml, node, options.clockMs) : undefined;
    if (inventory?.code === SUCCESS) {
      find(inventory.devices, nowUs);
      if (readLayouts()) tellLayout(nowUs);
      return true;
    }
    for (const index of places.keys()) lose(index, inventory?.code ?? code, nowUs);
    return false;
  };

  readLayouts();
  return {
    at: (index) => places[index]!.now,
    lose,
    recover(nowUs) {
      // A search that is further away than any is planned was planned before the clock was set back.
      const isSetBack = againAtUs < Infinity && againAtUs - nowUs > AGAIN_US_MAX;
      if (nowUs < againAtUs && !isSetBack) return false;
      againAtUs = nowUs + againStepUs;
      againStepUs = Math.min(2 * againStepUs, AGAIN_US_MAX);
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
      if (!readLayouts()) return false;
      const { code, devices } = listNvmlDevices(nvml, node, options.clockMs);
      if (code === SUCCESS) find(devices, nowUs);
      tellLayout(nowUs);
      return true;
    },
  };
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
