import { sampleState } from '../src/core/sampling/sample-state.ts';
import type { SampleState } from '../src/core/sampling/sample-state.ts';
import { fieldValueV1, fieldValueV2 } from './dcgm-layout.ts';

/** One decoded value. The readers below fill the same object again and again: nothing is allocated per record. */
export interface DcgmRecord {
  entityGroup: number;
  entityId: number;
  fieldId: number;
  /** dcgmReturn_t of this record. */
  status: number;
  /** Epoch µs; 0 when there is no sample. */
  tsUs: number;
  state: SampleState;
  /** As DCGM delivers it (no unit conversion); NaN unless `state` is `value`. */
  value: number;
  /** Of a string field, when it is not blank; empty for every other field. */
  text: string;
}

export function createRecord(): DcgmRecord {
  return {
    entityGroup: 0,
    entityId: 0,
    fieldId: 0,
    status: 0,
    tsUs: 0,
    state: sampleState.missing,
    value: NaN,
    text: '',
  };
}

/** Entity groups that gpuledger reads. */
export const entityGroup = { gpu: 1, gpuInstance: 4, computeInstance: 5 } as const;

const INT64 = 0x69;
const DOUBLE = 0x64;
const STRING = 0x73;
const STRING_BYTES_MAX = 256;
/** Blank of a double: 2^47, and the three reasons after it. */
const BLANK_DOUBLE = 140_737_488_355_328;
const BLANK_INT64_HIGH = 0x7fff_ffff;
const BLANK_INT64_LOW = 0xffff_fff0;
const REASONS = 4;
const TWO_32 = 0x1_0000_0000;

const V2 = fieldValueV2.at;
const V1 = fieldValueV1.at;

/** Decodes the dcgmFieldValue_v2 at `offset`. */
export function readRecordV2(view: DataView, offset: number, into: DcgmRecord): void {
  into.entityGroup = view.getUint32(offset + V2.entityGroupId, true);
  into.entityId = view.getUint32(offset + V2.entityId, true);
  into.fieldId = view.getUint16(offset + V2.fieldId, true);
  into.status = view.getInt32(offset + V2.status, true);
  readSample(view, view.getUint16(offset + V2.fieldType, true), offset + V2.ts, offset + V2.value, into);
}

/** Decodes the dcgmFieldValue_v1 at `offset`; the entity comes from beside it, and is the caller's to set. */
export function readRecordV1(view: DataView, offset: number, into: DcgmRecord): void {
  into.fieldId = view.getUint16(offset + V1.fieldId, true);
  into.status = view.getInt32(offset + V1.status, true);
  readSample(view, view.getUint16(offset + V1.fieldType, true), offset + V1.ts, offset + V1.value, into);
}

/** The NUL-terminated text at `offset`, at most `maxBytes` long. */
export function readCString(bytes: Buffer, offset: number, maxBytes: number): string {
  const end = bytes.indexOf(0, offset);
  return bytes.toString('utf8', offset, end < 0 || end > offset + maxBytes ? offset + maxBytes : end);
}

function readSample(
  view: DataView,
  type: number,
  tsOffset: number,
  valueOffset: number,
  into: DcgmRecord,
): void {
  into.tsUs = readInt64(view, tsOffset);
  into.value = NaN;
  if (into.text !== '') into.text = '';
  // A failed record carries ts 0 and a blank: there is no sample in it. A good status does not mean a value either.
  if (into.status !== 0 || into.tsUs === 0) into.state = sampleState.missing;
  else if (type === DOUBLE) readDouble(view, valueOffset, into);
  else if (type === INT64) readInteger(view, valueOffset, into);
  else if (type === STRING) readText(view, valueOffset, into);
  else into.state = sampleState.blank;
}

/** Up to the NUL only: what follows it is stale memory. */
function readText(view: DataView, offset: number, into: DcgmRecord): void {
  const bytes = Buffer.from(view.buffer, view.byteOffset + offset, STRING_BYTES_MAX);
  const text = readCString(bytes, 0, STRING_BYTES_MAX);
  const isBlank = text.startsWith('<<<') && text.includes('>>>');
  into.state = isBlank ? sampleState.blank : sampleState.value;
  into.text = isBlank ? '' : text;
}

function readDouble(view: DataView, offset: number, into: DcgmRecord): void {
  const value = view.getFloat64(offset, true);
  const reason = value - BLANK_DOUBLE;
  // Cumulative values may pass 2^47, so only the sentinels themselves are blanks. QuestDB has no infinity.
  if (reason === 0 || reason === 1 || reason === 2 || reason === 3) into.state = stateOfReason(reason);
  else if (!Number.isFinite(value)) into.state = sampleState.blank;
  else {
    into.state = sampleState.value;
    into.value = value;
  }
}

function readInteger(view: DataView, offset: number, into: DcgmRecord): void {
  const high = view.getInt32(offset + 4, true);
  const low = view.getUint32(offset, true);
  // Tested by halves: as one Number every blank would round to 2^63.
  if (high === BLANK_INT64_HIGH && low >= BLANK_INT64_LOW) into.state = stateOfReason(low - BLANK_INT64_LOW);
  else {
    into.state = sampleState.value;
    into.value = high * TWO_32 + low;
  }
}

function stateOfReason(reason: number): SampleState {
  return reason < REASONS ? ((reason + 1) as SampleState) : sampleState.blank;
}

/** Exact up to 2^53, which epoch µs reach in the year 2255. */
function readInt64(view: DataView, offset: number): number {
  return view.getInt32(offset + 4, true) * TWO_32 + view.getUint32(offset, true);
}
