import { NEEDS_REINIT, stateOfCode } from '../../../native/nvml.ts';
import type { Nvml } from '../../../native/nvml.ts';
import { nvmlReturn } from '../../../native/nvml-layout.ts';
import type { BlankWatch } from '../../core/sampling/blank-watch.ts';
import type { Field } from '../../core/fields/field.ts';
import { isOfInstances } from '../../core/fields/lane.ts';
import { XID_FIELD_ID } from '../../core/fields/well-known.ts';
import type { TickWriter } from '../../core/ring/ring.ts';
import { sampleState } from '../../core/sampling/sample-state.ts';
import type { SampleState } from '../../core/sampling/sample-state.ts';
import type { SampledLane } from '../../core/sampling/source.ts';
import { BUFFERED_TYPES, createBufferedMeans } from './buffered.ts';
import type { NvmlDevice } from './devices.ts';
import { createFieldBatch, FIELD_ROUTES } from './fields.ts';
import { GETTER_SYMBOLS } from './getter-tables.ts';
import { createGetters } from './getters.ts';
import type { FieldGetter } from './getters.ts';
import { createGpmReader, GPM_ROUTES, supportsGpm } from './gpm.ts';
import type { GpmReader } from './gpm.ts';

/** Lanes at least this slow gain by what the driver has buffered (about seven samples a second). */
const BUFFERED_FROM_MS = 500;
/** A device whose calls take this long is stuck in the driver: it is left alone, or it would hold up all others. */
const STUCK_MS = 2_000;
const SUCCESS: number = nvmlReturn.NVML_SUCCESS;

/** Samples the fields of one lane. */
export interface LaneSampler {
  /**
   * Writes the row of one device.
   * @param nowUs the clock, epoch µs.
   * @returns 0, or the nvmlReturn_t that says that the device is away: then there is no row.
   */
  sample(index: number, device: NvmlDevice, tick: TickWriter, nowUs: () => number, isPaused: boolean): number;
  /** Whether the last call of `sample` made a row: a device that answers nothing but blanks has none. */
  readonly hasRow: boolean;
  /** Forgets what profiling pairs begin with. */
  reseed(): void;
  close(): void;
}

/** Whether anything that NVML has gives this field of a whole GPU (a profiling field: of a GPU with GPM). */
export function isSampled(fieldId: number): boolean {
  return (
    GPM_ROUTES.has(fieldId) ||
    FIELD_ROUTES.has(fieldId) ||
    GETTER_SYMBOLS.has(fieldId) ||
    fieldId === XID_FIELD_ID
  );
}

/**
 * @param lastXid the last XID of a device by its position, 0 for none; NaN when nobody watches for them.
 * @param clockMs a monotonic clock.
 */
export function createLaneSampler(
  nvml: Nvml,
  lane: SampledLane,
  blanks: BlankWatch,
  lastXid: (index: number) => number,
  clockMs: () => number,
): LaneSampler {
  const { fields } = lane;
  const columnOf = new Map(fields.map(({ id }, column) => [id, column]));
  const ofGpus = createReaders(nvml, fields);
  const ofInstances = createReaders(nvml, fields.filter(isOfInstances));
  const gpmOf = createGpmReaders(nvml, lane, clockMs);
  const buffered = lane.intervalMs >= BUFFERED_FROM_MS ? createBufferedMeans(nvml) : undefined;
  const bufferedIds = fields.map(({ id }) => id).filter((id) => BUFFERED_TYPES.has(id));
  const isAllProfiling = fields.every(({ isProfiling }) => isProfiling);
  const values = new Float64Array(fields.length);
  const states = new Array<SampleState>(fields.length);
  let awayCode = SUCCESS;
  let hasRow = false;

  const put = (fieldId: number, value: number, code: number): void => {
    const column = columnOf.get(fieldId);
    if (column === undefined) return;
    if (NEEDS_REINIT.has(code)) awayCode = code;
    const state = stateOfCode(code);
    const isValue = state === sampleState.value && Number.isFinite(value);
    values[column] = isValue ? value : NaN;
    states[column] = state === sampleState.value && !isValue ? sampleState.blank : state;
  };

  const read = (index: number, device: NvmlDevice, isPaused: boolean): void => {
    const stuckMs = clockMs() + STUCK_MS;
    const { hasGpm, reader: gpm } = gpmOf(index, device);
    // Not sampled at all while paused: that is what whoever asked wants.
    if (isPaused) gpm?.reseed();
    else gpm?.read(device, put);
    for (const getter of device.device.parentUuid === undefined ? ofGpus : ofInstances) {
      if (awayCode === SUCCESS && clockMs() > stuckMs) awayCode = nvmlReturn.TIMEOUT;
      if (awayCode !== SUCCESS) return;
      getter.read(device.handle, put);
    }
    // GPUs with GPM have their own means over the tick; on older ones the driver's buffer is the finest there is.
    if (buffered !== undefined && !hasGpm && device.device.parentUuid === undefined) {
      for (const fieldId of bufferedIds) {
        const mean = buffered.read(device.handle, fieldId);
        if (!Number.isNaN(mean)) put(fieldId, mean, SUCCESS);
      }
    }
    const xid = lastXid(index);
    if (!Number.isNaN(xid)) put(XID_FIELD_ID, xid, SUCCESS);
  };

  return {
    sample(index, device, tick, nowUs, isPaused) {
      awayCode = SUCCESS;
      hasRow = false;
      values.fill(NaN);
      states.fill(sampleState.notSupported);
      const tsUs = nowUs();
      read(index, device, isPaused);
      if (awayCode !== SUCCESS) return awayCode;
      // A row in which everything is blank is none, but for what a pause blanks.
      hasRow = (isPaused && isAllProfiling) || values.some((value) => !Number.isNaN(value));
      if (hasRow) tick.setRow(index, tsUs);
      for (const [column, field] of fields.entries()) {
        if (hasRow) tick.set(index, column, values[column]!);
        if (device.device.parentUuid === undefined || isOfInstances(field))
          blanks.note(index, field, states[column]!, tsUs);
      }
      return SUCCESS;
    },
    get hasRow() {
      return hasRow;
    },
    reseed() {
      gpmOf.reseed();
    },
    close() {
      gpmOf.close();
    },
  };
}

function createReaders(nvml: Nvml, fields: readonly Field[]): readonly FieldGetter[] {
  const getters = createGetters(
    nvml,
    fields.map(({ id }) => id),
  );
  const batched = fields.filter(({ id }) => FIELD_ROUTES.has(id));
  return batched.length === 0 ? getters : [createFieldBatch(nvml, batched), ...getters];
}

interface DeviceGpm {
  readonly hasGpm: boolean;
  /** Undefined without GPM, or where the lane has none of its metrics. */
  readonly reader: GpmReader | undefined;
}

interface GpmReaders {
  (index: number, device: NvmlDevice): DeviceGpm;
  reseed(): void;
  close(): void;
}

/** One reader a device, made when the device is first sampled. */
function createGpmReaders(nvml: Nvml, lane: SampledLane, clockMs: () => number): GpmReaders {
  const known = new Map<number, DeviceGpm>();
  const profiling = lane.fields.filter(({ id }) => GPM_ROUTES.has(id));
  const create = (device: NvmlDevice): DeviceGpm => {
    const metrics = device.device.parentUuid === undefined ? profiling : profiling.filter(isOfInstances);
    const hasGpm = supportsGpm(nvml, device.parentHandle);
    const reader =
      hasGpm && metrics.length > 0 ? createGpmReader(nvml, metrics, lane.intervalMs, clockMs) : undefined;
    return { hasGpm, reader };
  };
  const gpmOf = (index: number, device: NvmlDevice): DeviceGpm => {
    const gpm = known.get(index) ?? create(device);
    known.set(index, gpm);
    return gpm;
  };
  return Object.assign(gpmOf, {
    reseed: () => {
      for (const { reader } of known.values()) reader?.reseed();
    },
    close: () => {
      for (const { reader } of known.values()) reader?.close();
      known.clear();
    },
  });
}
