import { nvmlReturn } from '../../../native/nvml-layout.ts';
import type { Nvml } from '../../../native/nvml.ts';
import { BlankWatch } from '../../core/sampling/blank-watch.ts';
import type { Device } from '../../core/devices/device.ts';
import { isGap } from '../../core/sampling/dt-rule.ts';
import type { TickWriter } from '../../core/ring/ring.ts';
import type { SampledLane, Source } from '../../core/sampling/source.ts';
import type { NvmlOptions } from './options.ts';
import { KERNEL_LOG } from './kernel-log.ts';
import { createDeviceEvents } from './device-events.ts';
import type { NvmlDeviceEvents } from './device-events.ts';
import type { NvmlDevice, NvmlInventory } from './devices.ts';
import { startNvmlEventWatch } from './event-watch.ts';
import type { NvmlEventWatch } from './event-watch.ts';
import { GPM_ROUTES, probeGpm } from './gpm.ts';
import { createLaneSampler } from './lane.ts';
import type { LaneSampler } from './lane.ts';
import { createPresence } from './presence.ts';
import type { NvmlPresence } from './presence.ts';
import { createPauseTeller, createPauseWatch } from '../profiling-pause.ts';

const COUNTERS_EVERY_US = 1_000_000;
const LAYOUT_EVERY_US = 10_000_000;
/** The first values after a pause are blank still. */
const AFTER_PAUSE_US = 1_000_000;
const SUCCESS: number = nvmlReturn.NVML_SUCCESS;

export interface NvmlSamplingOptions extends NvmlOptions {
  readonly nvml: Nvml;
  readonly inventory: NvmlInventory;
  readonly selected: readonly NvmlDevice[];
  readonly openedUs: number;
  readonly clockMs: () => number;
}

/** The tick is the sample: every call asks the driver for what is now. */
export class NvmlSampling implements Source {
  readonly name = 'nvml';
  readonly devices: readonly Device[];
  readonly #options: NvmlSamplingOptions;
  readonly #about: readonly string[];
  readonly #lanes: readonly LaneSampler[];
  readonly #watch: NvmlEventWatch | undefined;
  readonly #presence: NvmlPresence;
  readonly #events: NvmlDeviceEvents;
  readonly #blanks: BlankWatch;
  readonly #pauseRequests: ReturnType<typeof createPauseWatch>;
  readonly #tellPause: ReturnType<typeof createPauseTeller>;
  /** By lane, by device: stamp of the last row; NaN before the first. */
  readonly #rowUs: readonly Float64Array[];
  /** By lane, by device: whether the device was away since its last row. */
  readonly #wasAway: readonly Uint8Array[];
  #countersReadUs = -Infinity;
  #layoutReadUs: number;

  constructor(options: NvmlSamplingOptions) {
    const { nvml, node, lanes, selected, onEvent, openedUs } = options;
    this.#options = options;
    this.devices = selected.map(({ device }) => device);
    this.#blanks = new BlankWatch(this.devices, onEvent);
    this.#pauseRequests = createPauseWatch(options.pauseDir);
    this.#tellPause = createPauseTeller(node, onEvent);
    this.#about = describeProfiling(options);
    this.#watch =
      options.isWatchingEvents === false
        ? undefined
        : startNvmlEventWatch(nvml.library.path, options.kernelLog ?? KERNEL_LOG);
    // Events of a GPU concern whoever samples it or an instance of it.
    const concerned = new Set(this.devices.flatMap(({ uuid, parentUuid }) => [uuid, parentUuid]));
    const known = options.inventory.devices
      .map(({ device }) => device)
      .filter(({ uuid }) => concerned.has(uuid));
    this.#events = createDeviceEvents({ nvml, node, devices: known, watch: this.#watch, onEvent });
    this.#lanes = lanes.map((lane) =>
      createLaneSampler(
        nvml,
        lane,
        this.#blanks,
        (index) => this.#events.lastXid(this.devices[index]!),
        options.clockMs,
      ),
    );
    this.#presence = createPresence({
      nvml,
      node,
      selected,
      watch: this.#watch,
      onEvent,
      clockMs: options.clockMs,
      onShutdown: () => {
        for (const lane of this.#lanes) lane.close();
      },
    });
    this.#rowUs = lanes.map(() => new Float64Array(selected.length).fill(NaN));
    this.#wasAway = lanes.map(() => new Uint8Array(selected.length));
    this.#layoutReadUs = openedUs;
  }

  describe(): string {
    const { inventory, nvml } = this.#options;
    return [`NVML, driver ${inventory.driver} (${nvml.library.path})`, ...this.#about].join('; ');
  }

  sample(lane: SampledLane, tick: TickWriter, nowUs: number): void {
    const startMs = this.#options.clockMs();
    // The calls of eight devices take their time: each row has its own stamp.
    const clockUs = (): number => nowUs + Math.round((this.#options.clockMs() - startMs) * 1000);
    const isPaused = this.#followPause(nowUs);
    this.#presence.recover(nowUs);
    this.#followLayout(this.#events.takeNews(), nowUs);
    for (const index of this.devices.keys()) {
      const device = this.#presence.at(index);
      if (device === undefined) {
        this.#noteAway(index);
        continue;
      }
      const tsUs = clockUs();
      const sampler = this.#lanes[lane.index]!;
      const code = sampler.sample(index, device, tick, clockUs, isPaused);
      if (code !== SUCCESS) this.#presence.lose(index, code, tsUs);
      else if (sampler.hasRow) this.#noteRow(lane, index, tsUs);
    }
    this.#readCounters(nowUs);
  }

  close(): void {
    const { nvml } = this.#options;
    const isFree = this.#watch?.close() ?? true;
    for (const lane of this.#lanes) lane.close();
    // While a worker is stuck in the library, shutting it down would pull it from under its feet.
    if (isFree) nvml.shutdown();
  }

  #followPause(nowUs: number): boolean {
    const requests = this.#pauseRequests(nowUs);
    this.#tellPause(requests, nowUs);
    if (requests.length > 0) this.#blanks.excuseProfiling(nowUs + AFTER_PAUSE_US);
    return requests.length > 0;
  }

  #followLayout(isTold: boolean, nowUs: number): void {
    if (!isTold && nowUs - this.#layoutReadUs < LAYOUT_EVERY_US && nowUs >= this.#layoutReadUs) return;
    this.#layoutReadUs = nowUs;
    if (!this.#presence.followLayout(nowUs)) return;
    for (const lane of this.#lanes) lane.reseed();
  }

  /** Of every GPU that is sampled or parent of a sampled instance, once. */
  #readCounters(nowUs: number): void {
    if (nowUs - this.#countersReadUs < COUNTERS_EVERY_US && nowUs >= this.#countersReadUs) return;
    this.#countersReadUs = nowUs;
    const gpus = new Map<bigint, NvmlDevice>();
    for (const index of this.devices.keys()) {
      const now = this.#presence.at(index);
      if (now === undefined) continue;
      const { parentUuid } = now.device;
      const gpu = parentUuid === undefined ? now.device : { ...now.device, uuid: parentUuid };
      gpus.set(now.parentHandle, { ...now, handle: now.parentHandle, device: gpu });
    }
    this.#events.readCounters([...gpus.values()], nowUs);
  }

  #noteAway(index: number): void {
    for (const wasAway of this.#wasAway) wasAway[index] = 1;
  }

  #noteRow(lane: SampledLane, index: number, tsUs: number): void {
    const wasAway = this.#wasAway[lane.index]!;
    const rowUs = this.#rowUs[lane.index]!;
    const fromUs = rowUs[index]!;
    rowUs[index] = tsUs;
    if (wasAway[index] === 0) return;
    wasAway[index] = 0;
    // Late ticks of all devices are told by the sampler; this hole is of one device alone.
    if (!isGap(tsUs - fromUs, lane.intervalMs * 1000)) return;
    const { node, uuid } = this.devices[index]!;
    const text = `no samples of lane ${lane.name} for ${((tsUs - fromUs) / 1e6).toFixed(3)} s`;
    this.#options.onEvent({
      tsUs: fromUs,
      endUs: tsUs,
      node,
      gpu: uuid,
      kind: 'gap',
      subject: lane.name,
      text,
    });
  }
}

/** What there is of profiling, and what to do where it is less than the lanes want. */
function describeProfiling({ nvml, lanes, selected }: NvmlSamplingOptions): readonly string[] {
  const isWanted = lanes.some(({ fields }) => fields.some(({ id }) => GPM_ROUTES.has(id)));
  if (!isWanted) return [];
  const probes = selected.map((device) => probeGpm(nvml, device));
  const count = (code: number): number => probes.filter((each) => each === code).length;
  const forbidden = count(nvmlReturn.NO_PERMISSION);
  const able = count(SUCCESS);
  const of = `of ${selected.length} device${selected.length === 1 ? '' : 's'}`;
  return [
    ...(able > 0 ? [`profiling by GPM on ${able} ${of}`] : []),
    ...(forbidden > 0
      ? [
          `profiling is not permitted on ${forbidden} ${of}: it needs root or CAP_SYS_ADMIN here (in a container --privileged), or the driver option NVreg_RestrictProfilingToAdminUsers=0`,
        ]
      : []),
    ...(able + forbidden < selected.length
      ? [
          `no profiling on ${selected.length - able - forbidden} ${of}: it needs Hopper or newer; older GPUs have it by --source dcgm`,
        ]
      : []),
  ];
}
