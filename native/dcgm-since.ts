import koffi from 'koffi';
import { createRecord, readRecordV1 } from './dcgm-record.ts';
import type { DcgmRecord } from './dcgm-record.ts';
import { fieldValueV1 } from './dcgm-layout.ts';
import type { Library } from './library.ts';

/** Views on the library's memory are cached by address: making one costs 3 µs, and the addresses repeat. */
const CACHED_VIEWS_MAX = 256;

export interface SinceReader {
  /**
   * dcgmGetValuesSince_v2: hands every kept sample with a stamp ≥ `sinceUs` of every entity and field of the two groups
   * to `onRecord`, oldest first within a series. The record is reused: copy out what is needed.
   * @returns dcgmReturn_t. Not 0 when a series was never watched; the ones before it were delivered all the same.
   */
  read(
    handle: bigint,
    group: bigint,
    fieldGroup: bigint,
    sinceUs: number,
    onRecord: (record: DcgmRecord) => void,
  ): number;
  /** The engine's clock, epoch µs, at the end of the last read that succeeded; 0 before the first. */
  readonly engineNowUs: number;
  close(): void;
}

export function createSinceReader(library: Library): SinceReader {
  const getValuesSince = library.bind(
    'int dcgmGetValuesSince_v2(uintptr_t handle, uintptr_t group, uintptr_t fieldGroup, int64_t sinceUs, void *nextUs, void *callback, void *user)',
  );
  const prototype = koffi.proto('int', ['uint32_t', 'uint32_t', 'void *', 'int', 'void *']);
  const views = new Map<bigint, DataView>();
  const record = createRecord();
  let deliver: (record: DcgmRecord) => void = () => undefined;
  let thrown: { readonly error: unknown } | undefined;

  const viewAt = (address: bigint): DataView => {
    const known = views.get(address);
    if (known !== undefined) return known;
    if (views.size >= CACHED_VIEWS_MAX) views.clear();
    const view = new DataView(koffi.view(address, fieldValueV1.sizeBytes));
    views.set(address, view);
    return view;
  };

  /** Must answer 0: anything else ends the call, which then says 0 all the same. */
  const onValues = (entityGroup: number, entityId: number, address: bigint, count: number): number => {
    try {
      for (let index = 0; index < count; index += 1) {
        record.entityGroup = entityGroup;
        record.entityId = entityId;
        readRecordV1(viewAt(address + BigInt(index * fieldValueV1.sizeBytes)), 0, record);
        deliver(record);
      }
      return 0;
    } catch (error) {
      // An exception cannot cross the C frames; it is thrown again on this side of the call.
      thrown = { error };
      return 1;
    }
  };
  const callback = koffi.register(onValues, koffi.pointer(prototype));
  const nextUs = new BigInt64Array(1);

  return {
    get engineNowUs() {
      // nextUs is the first microsecond that the read did not cover.
      return nextUs[0] === 0n ? 0 : Number(nextUs[0]) - 1;
    },
    read(handle, group, fieldGroup, sinceUs, onRecord) {
      deliver = onRecord;
      thrown = undefined;
      const status = getValuesSince(
        handle,
        group,
        fieldGroup,
        BigInt(Math.floor(sinceUs)),
        nextUs,
        callback,
        null,
      );
      const failure = thrown as { readonly error: unknown } | undefined;
      if (failure !== undefined) throw failure.error;
      return status;
    },
    close() {
      views.clear();
      koffi.unregister(callback);
    },
  };
}
