/** Times single calls of libnvidia-ml on one GPU, and looks at what the headers leave open. For `record-hardware.ts`. */
import {
  fieldValue,
  gpmMetric,
  gpmMetricsGet,
  nvmlReturn,
  nvmlValueType,
  processUtilizationSample,
  sample,
} from '../native/nvml-layout.ts';
import { nvmlCodeText, readForeignText } from '../native/nvml.ts';
import type { Nvml, NvmlHandle } from '../native/nvml.ts';
import { findField } from '../src/core/fields/find-field.ts';
import { BUFFERED_TYPES } from '../src/source/nvml/buffered.ts';
import { createFieldBatch, FIELD_ROUTES } from '../src/source/nvml/fields.ts';
import { GETTER_SYMBOLS } from '../src/source/nvml/getter-tables.ts';
import { createGetters } from '../src/source/nvml/getters.ts';
import { GPM_ROUTES } from '../src/source/nvml/gpm.ts';

const SUCCESS: number = nvmlReturn.NVML_SUCCESS;
const TIMED_CALLS = 300;
const PAIR_SPACINGS_MS = [20, 50, 90, 101, 110, 200, 1000];

export type TableRow = readonly (string | number)[];

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** µs: median, 99th percentile and longest of many calls, and what the last one answered. */
function timed(name: string, call: () => number, calls = TIMED_CALLS): TableRow {
  const times: number[] = [];
  let code = SUCCESS;
  for (let n = 0; n < calls; n += 1) {
    const fromMs = performance.now();
    code = call();
    times.push((performance.now() - fromMs) * 1000);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string =>
    times[Math.min(times.length - 1, Math.floor(share * times.length))]!.toFixed(1);
  return [name, at(0.5), at(0.99), at(1), code === SUCCESS ? 'ok' : nvmlCodeText(code)];
}

/** Every call that the source `nvml` may make for a lane. */
export function timeGetters(nvml: Nvml, gpu: NvmlHandle): readonly TableRow[] {
  const rows: TableRow[] = [];
  for (const [fieldId, symbol] of GETTER_SYMBOLS) {
    for (const getter of createGetters(nvml, [fieldId])) {
      let last = SUCCESS;
      const column = findField(fieldId)?.column ?? String(fieldId);
      const call = (): number => {
        getter.read(gpu, (_, __, code) => {
          last = code;
        });
        return last;
      };
      rows.push(timed(`${symbol} (${column})`, call));
    }
  }
  return rows;
}

/** Field by field: type, code and what the driver itself says that the entry cost. */
export function lookAtFields(nvml: Nvml, gpu: NvmlHandle): readonly TableRow[] {
  const { sizeBytes, at } = fieldValue;
  const ids = [...FIELD_ROUTES.entries()];
  const values = Buffer.alloc(ids.length * sizeBytes);
  for (const [index, [, { nvmlId, scopeId }]] of ids.entries()) {
    values.writeUInt32LE(nvmlId, index * sizeBytes + at.fieldId);
    values.writeUInt32LE(scopeId, index * sizeBytes + at.scopeId);
  }
  nvml.deviceGetFieldValues(gpu, ids.length, values);
  const types = new Map(Object.entries(nvmlValueType).map(([name, type]): [number, string] => [type, name]));
  return ids.map(([dcgmId, { nvmlId }], index) => {
    const offset = index * sizeBytes;
    const code = values.readUInt32LE(offset + at.nvmlReturn);
    return [
      nvmlId,
      findField(dcgmId)?.column ?? dcgmId,
      code === SUCCESS ? 'ok' : nvmlCodeText(code),
      code === SUCCESS ? (types.get(values.readUInt32LE(offset + at.valueType)) ?? '?') : '',
      Number(values.readBigInt64LE(offset + at.latencyUsec)),
      code === SUCCESS ? String(values.readBigUInt64LE(offset + at.value)) : '',
    ];
  });
}

/** One batch of all fields, timed. */
export function timeBatch(nvml: Nvml, gpu: NvmlHandle, fieldIds: readonly number[]): TableRow {
  const fields = fieldIds.map((id) => findField(id)).filter((field) => field !== undefined);
  const batch = createFieldBatch(
    nvml,
    fields.filter(({ id }) => FIELD_ROUTES.has(id)),
  );
  return timed(`nvmlDeviceGetFieldValues, ${batch.fieldIds.length} fields`, () => {
    batch.read(gpu, () => undefined);
    return SUCCESS;
  });
}

interface GpmLook {
  readonly times: readonly TableRow[];
  /** What pairs of different ages give. */
  readonly pairs: readonly TableRow[];
  /** Unit and name of every metric, by the library itself. */
  readonly metrics: readonly TableRow[];
}

/** Undefined where the GPU has no GPM. */
export function lookAtGpm(nvml: Nvml, gpu: NvmlHandle): GpmLook | undefined {
  const alloc = nvml.optional('nvmlGpmSampleAlloc');
  const take = nvml.optional('nvmlGpmSampleGet');
  const metricsGet = nvml.optional('nvmlGpmMetricsGet');
  const out = new BigUint64Array(2);
  if (alloc?.(out.subarray(0, 1)) !== SUCCESS || alloc(out.subarray(1)) !== SUCCESS) return undefined;
  if (take === undefined || metricsGet === undefined) return undefined;
  const [older, newer] = [out[0]!, out[1]!];
  const { at, version, sizeBytes } = gpmMetricsGet;
  const ids = [...GPM_ROUTES.values()].map(({ gpmId }) => gpmId);
  const request = Buffer.alloc(sizeBytes);
  const ask = (count: number): number => {
    request.writeUInt32LE(version, at.version);
    request.writeUInt32LE(count, at.numMetrics);
    request.writeBigUInt64LE(older, at.sample1);
    request.writeBigUInt64LE(newer, at.sample2);
    for (const [index, id] of ids.entries())
      request.writeUInt32LE(id, at.metrics + index * gpmMetric.sizeBytes + gpmMetric.at.metricId);
    return metricsGet(request);
  };
  const read = (index: number): { code: number; value: number; unit: string; name: string } => {
    const from = at.metrics + index * gpmMetric.sizeBytes;
    const text = (offset: number): string =>
      readForeignText(request.readBigUInt64LE(from + gpmMetric.at.metricInfo + offset)) ?? '';
    const code = request.readUInt32LE(from + gpmMetric.at.nvmlReturn);
    const value = request.readDoubleLE(from + gpmMetric.at.value);
    return { code, value, name: text(0), unit: text(16) };
  };
  const pairs = PAIR_SPACINGS_MS.map((ms): TableRow => {
    const codes = [take(gpu, older)];
    sleep(ms);
    codes.push(take(gpu, newer), ask(ids.length));
    const own = read(ids.indexOf(2));
    return [ms, codes.map(nvmlCodeText).join(', '), nvmlCodeText(own.code), own.value];
  });
  const metrics = ids.map((id, index): TableRow => {
    const { code, value, name, unit } = read(index);
    return [id, name, unit, code === SUCCESS ? 'ok' : nvmlCodeText(code), code === SUCCESS ? value : ''];
  });
  const times = [
    timed('nvmlGpmSampleGet', () => take(gpu, newer)),
    timed('nvmlGpmMetricsGet, 12 metrics', () => ask(12)),
    timed(`nvmlGpmMetricsGet, ${ids.length} metrics`, () => ask(ids.length)),
  ];
  for (const each of out) nvml.optional('nvmlGpmSampleFree')?.(each);
  return { times, pairs, metrics };
}

const PROCESS_LISTS = [
  'nvmlDeviceGetComputeRunningProcesses_v3',
  'nvmlDeviceGetMPSComputeRunningProcesses_v3',
] as const;
/** What no record ends in. */
const UNWRITTEN = 0xa5;
const PROCESS_ROOM = 256;

/** Who is on the GPU, by each call that lists processes: raw, since records differ by driver. */
export function lookAtProcesses(nvml: Nvml, gpu: NvmlHandle): readonly TableRow[] {
  const count = new Uint32Array(1);
  const rows = PROCESS_LISTS.map((symbol): TableRow => {
    const records = Buffer.alloc(PROCESS_ROOM * 40, UNWRITTEN);
    count[0] = PROCESS_ROOM;
    const code = nvml.optional(symbol)?.(gpu, count, records) ?? nvmlReturn.FUNCTION_NOT_FOUND;
    let written = records.length;
    while (written > 0 && records[written - 1] === UNWRITTEN) written -= 1;
    return [
      symbol,
      nvmlCodeText(code),
      count[0],
      written,
      records.subarray(0, Math.min(written, 96)).toString('hex'),
    ];
  });
  const { sizeBytes, at } = processUtilizationSample;
  const samples = Buffer.alloc(PROCESS_ROOM * sizeBytes);
  count[0] = PROCESS_ROOM;
  const symbol = 'nvmlDeviceGetProcessUtilization';
  const code = nvml.optional(symbol)?.(gpu, samples, count, 0n) ?? nvmlReturn.FUNCTION_NOT_FOUND;
  const told = code === SUCCESS ? Array.from({ length: count[0] }, (_, n) => n * sizeBytes) : [];
  const lagS = (from: number): string =>
    (Date.now() / 1000 - Number(samples.readBigUInt64LE(from + at.timeStamp)) / 1e6).toFixed(3);
  const texts = told.map(
    (from) =>
      `pid ${samples.readUInt32LE(from + at.pid)}: ${samples.readUInt32LE(from + at.smUtil)} % ${lagS(from)} s ago`,
  );
  return [
    ...rows,
    [symbol, nvmlCodeText(code), told.length, told.length * sizeBytes, texts.slice(0, 8).join('; ')],
  ];
}

/** How deep and how fine the driver's own buffers are. */
export function lookAtBuffers(nvml: Nvml, gpu: NvmlHandle): readonly TableRow[] {
  const call = nvml.optional('nvmlDeviceGetSamples');
  const type = new Uint32Array(1);
  const count = new Uint32Array(1);
  return [0, ...BUFFERED_TYPES.values(), 5, 6].map((sampleType): TableRow => {
    const sized = call?.(gpu, sampleType, 0n, type, count, null) ?? nvmlReturn.FUNCTION_NOT_FOUND;
    if (sized !== SUCCESS) return [sampleType, nvmlCodeText(sized), '', '', ''];
    const samples = Buffer.alloc(count[0]! * sample.sizeBytes);
    const code = call?.(gpu, sampleType, 0n, type, count, samples) ?? sized;
    if (code !== SUCCESS) return [sampleType, nvmlCodeText(code), '', '', ''];
    const stamps = Array.from({ length: count[0]! }, (_, n) =>
      Number(samples.readBigUInt64LE(n * sample.sizeBytes + sample.at.timeStamp)),
    )
      .filter((us) => us > 0)
      .sort((a, b) => a - b);
    const spacings = stamps.slice(1).map((us, n) => us - stamps[n]!);
    const middle = spacings.sort((a, b) => a - b)[Math.floor(spacings.length / 2)] ?? NaN;
    const lagS = (Date.now() * 1000 - (stamps.at(-1) ?? NaN)) / 1e6;
    return [sampleType, 'ok', stamps.length, (middle / 1000).toFixed(1), lagS.toFixed(3)];
  });
}
