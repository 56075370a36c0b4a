import { nvmlEventType, nvmlReturn } from '../../../native/nvml-layout.ts';
import type { Nvml } from '../../../native/nvml.ts';
import type { Device } from '../../core/devices/device.ts';
import type { EventKind } from '../../core/sampling/event.ts';
import { EVENT_FIELDS, FieldEvents } from '../../core/sampling/field-events.ts';
import { findField } from '../../core/fields/find-field.ts';
import type { EventSink } from '../../core/sampling/source.ts';
import type { NvmlDevice } from './devices.ts';
import type { NvmlEventNews } from './event-protocol.ts';
import type { NvmlEventWatch } from './event-watch.ts';
import { createFieldBatch, FIELD_ROUTES } from './fields.ts';
import { createGetters } from './getters.ts';
import type { FieldGetter } from './getters.ts';

const SUCCESS: number = nvmlReturn.NVML_SUCCESS;

/** Events that are neither an XID nor a change of the MIG layout. */
const TOLD: ReadonlyMap<number, readonly [kind: EventKind, subject: string, text: string]> = new Map([
  [nvmlEventType.TypeDoubleBitEccError, ['ecc', 'double_bit', 'an uncorrected memory error']],
  [
    nvmlEventType.TypeSingleBitEccErrorStorm,
    ['ecc', 'single_bit_storm', 'a storm of corrected memory errors'],
  ],
  [nvmlEventType.TypeDramRetirementEvent, ['remap', 'dram_retirement', 'a part of the memory was retired']],
  [
    nvmlEventType.TypeDramRetirementFailure,
    ['remap', 'dram_retirement_failure', 'a part of the memory could not be retired'],
  ],
  [nvmlEventType.TypeNonFatalPoisonError, ['ecc', 'poison', 'poisoned memory was read, not fatally']],
  [nvmlEventType.TypeFatalPoisonError, ['ecc', 'fatal_poison', 'poisoned memory was read, fatally']],
  [nvmlEventType.TypeGpuUnavailableError, ['health', 'unavailable', 'the GPU is unavailable']],
  [
    nvmlEventType.TypeGpuRecoveryAction,
    ['health', 'recovery_action', 'the driver asks for a recovery action'],
  ],
]);

/** What NVML tells beside its samples. */
export interface NvmlDeviceEvents {
  /** Tells what the event worker brought. @returns whether the MIG layout changed. */
  takeNews(): boolean;
  /** Reads the throttle reasons and the error counters of the GPUs, and tells edges and steps. */
  readCounters(gpus: readonly NvmlDevice[], nowUs: number): void;
  /** The last XID of a device since the opening, 0 for none; NaN when nobody watches for them. */
  lastXid(device: Device): number;
}

/** @param gpus whole GPUs of the node and @param instances, to know the devices of events by. */
export function createDeviceEvents(options: {
  readonly nvml: Nvml;
  readonly node: string;
  readonly devices: readonly Device[];
  readonly watch: NvmlEventWatch | undefined;
  readonly onEvent: EventSink;
}): NvmlDeviceEvents {
  const { node, devices, watch, onEvent } = options;
  const events = new FieldEvents(onEvent);
  const readers = createReaders(options.nvml);
  const xids = new Map<string, number>();
  let isWatching = watch !== undefined;

  const deviceOf = (gpu: string, gpuInstanceId: number | undefined): Device | undefined =>
    devices.find(
      (device) =>
        gpuInstanceId !== undefined && device.parentUuid === gpu && device.gpuInstanceId === gpuInstanceId,
    ) ?? devices.find(({ uuid }) => uuid === gpu);

  const tellEvent = (news: Extract<NvmlEventNews, { type: 'event' }>): void => {
    const device = deviceOf(news.gpu, news.gpuInstanceId);
    if (device === undefined) return;
    if (news.eventType === nvmlEventType.TypeXidCriticalError) {
      xids.set(device.uuid, news.data);
      events.xid(device, news.tsUs, news.data);
      return;
    }
    const told = TOLD.get(news.eventType);
    if (told === undefined) return;
    const [kind, subject, text] = told;
    onEvent({ tsUs: news.tsUs, node, gpu: device.uuid, kind, code: news.data, subject, text });
  };

  const tellMissing = (subject: string, text: string, tsUs: number): void => {
    onEvent({ tsUs, node, kind: 'unresolved', subject, text });
  };

  return {
    takeNews() {
      let isLayoutNew = false;
      for (const news of watch?.take() ?? []) {
        switch (news.type) {
          case 'event':
            if (news.eventType === nvmlEventType.MigConfigChange) isLayoutNew = true;
            tellEvent(news);
            break;
          case 'watched':
            isWatching = true;
            break;
          case 'no_kernel_log':
            tellMissing('kernel_log', `XIDs 79, 119 and 120 are not recorded: ${news.reason}`, news.tsUs);
            break;
          case 'unwatched':
            isWatching = false;
            tellMissing('nvml_events', `XIDs and other events are not recorded: ${news.reason}`, news.tsUs);
        }
      }
      return isLayoutNew;
    },
    readCounters(gpus, nowUs) {
      for (const { device, handle } of gpus) {
        for (const reader of readers) {
          reader.read(handle, (fieldId, value, code) => {
            if (code === SUCCESS && Number.isFinite(value)) events.observe(device, fieldId, nowUs, value);
          });
        }
      }
    },
    lastXid: ({ uuid }) => (isWatching ? (xids.get(uuid) ?? 0) : NaN),
  };
}

/** The event fields are masks and counts: their base unit is DCGM's. */
function createReaders(nvml: Nvml): readonly FieldGetter[] {
  const ids = EVENT_FIELDS.map(({ fieldId }) => fieldId);
  const batched = ids.filter((id) => FIELD_ROUTES.has(id)).map((id) => findField(id));
  return [
    createFieldBatch(
      nvml,
      batched.filter((field) => field !== undefined),
    ),
    ...createGetters(nvml, ids),
  ];
}
