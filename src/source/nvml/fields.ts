import { fieldValue, nvmlReturn } from '../../../native/nvml-layout.ts';
import { NVML_FIELDS } from '../../../native/nvml-tables.ts';
import { readFieldValue } from '../../../native/nvml.ts';
import type { Nvml } from '../../../native/nvml.ts';
import type { Field } from '../../core/fields/field.ts';
import type { FieldGetter } from './getters.ts';

interface FieldRoute {
  readonly nvmlId: number;
  readonly scopeId: number;
  /** What NVML's number times the catalogue's scale is to be multiplied with: where DCGM delivers another unit. */
  readonly toDcgmUnit: number;
}

const GPU_SCOPE = 0;
/** DCGM hands on milliwatts as watts. */
const INSTANT_POWER = { dcgmId: 157, nvmlId: 186 } as const;

/** DCGM field id → NVML field id. */
export const FIELD_ROUTES: ReadonlyMap<number, FieldRoute> = new Map<number, FieldRoute>([
  ...NVML_FIELDS.map(([dcgmId, nvmlId, scopeId]) => [dcgmId, { nvmlId, scopeId, toDcgmUnit: 1 }] as const),
  [INSTANT_POWER.dcgmId, { nvmlId: INSTANT_POWER.nvmlId, scopeId: GPU_SCOPE, toDcgmUnit: 0.001 }],
]);

const { sizeBytes, at } = fieldValue;
const SUCCESS: number = nvmlReturn.NVML_SUCCESS;

/**
 * One nvmlDeviceGetFieldValues for all of `fields` (each in `FIELD_ROUTES`): the driver serves some of them together, and
 * each has a code and a type of its own.
 */
export function createFieldBatch(nvml: Nvml, fields: readonly Field[]): FieldGetter {
  const values = Buffer.alloc(fields.length * sizeBytes);
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  const routes = fields.map((field) => FIELD_ROUTES.get(field.id)!);
  const factors = fields.map((field, index) => field.scale * routes[index]!.toDcgmUnit);
  return {
    fieldIds: fields.map(({ id }) => id),
    read(handle, onReading) {
      for (const [index, { nvmlId, scopeId }] of routes.entries()) {
        const offset = index * sizeBytes;
        view.setUint32(offset + at.fieldId, nvmlId, true);
        view.setUint32(offset + at.scopeId, scopeId, true);
        // An entry that the driver leaves alone must not pass for what was read before.
        view.setUint32(offset + at.nvmlReturn, nvmlReturn.NO_DATA, true);
      }
      const code = nvml.deviceGetFieldValues(handle, fields.length, values);
      for (const [index, field] of fields.entries()) {
        const offset = index * sizeBytes;
        // Success of the call only means that some entry worked.
        const own = code === SUCCESS ? view.getUint32(offset + at.nvmlReturn, true) : code;
        onReading(field.id, own === SUCCESS ? readFieldValue(view, offset) * factors[index]! : NaN, own);
      }
    },
  };
}
