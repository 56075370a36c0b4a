import type { CounterRow, Counters } from '../../schemas/counters-csv.ts';
import type { ServedCounter, ServedLabel } from '../core/exposition/device-families.ts';
import { countedFieldOf, type ServedExporterCounter } from '../core/exposition/exporter-families.ts';
import { toldRows } from '../core/base/told-rows.ts';
import { inventoryFactOf } from '../core/devices/inventory-facts.ts';
import { fieldInstead, laneFieldProblem, type Lane } from '../core/fields/lane.ts';

/** What an exposition holds. */
export interface ServedCounters {
  readonly counters: readonly ServedCounter[];
  readonly labels: readonly ServedLabel[];
  readonly exporterCounters: readonly ServedExporterCounter[];
  /** One sentence for each row that is not served, of very many the first. */
  readonly warnings: readonly string[];
}

/** Of a counters file: its rows under the names that they have there. @param file for the warnings */
export function servedOf({ rows }: Counters, file: string): ServedCounters {
  const warnings = rows.flatMap((row) => {
    const why = whyNotServed(row);
    return why === undefined ? [] : [`${file}, line ${row.line}: ${row.name} is not served: ${why}`];
  });
  const served = rows.filter((row) => whyNotServed(row) === undefined);
  const counters = served.flatMap(({ name, type, help, field }) =>
    field === undefined || type === 'label' ? [] : [{ name, type, help, field }],
  );
  const labels = served.flatMap(({ name, type, field }) =>
    field === undefined || type !== 'label' ? [] : [{ name, fieldId: field.id }],
  );
  const exporterCounters = served.filter(({ field }) => field === undefined);
  return { counters, labels, exporterCounters, warnings: toldRows(warnings, file) };
}

/** What dcgm-exporter asks an engine for, and no source here is asked for. */
const NOT_COUNTED: Readonly<Record<string, string>> = {
  DCGM_EXP_GPU_HEALTH_STATUS: 'health incidents are rows of gpu_events alone',
  DCGM_EXP_P2P_STATUS: 'no source is asked for the links between GPUs',
};

function whyNotServed({ name, type, field, repeatsLine }: CounterRow): string | undefined {
  if (repeatsLine !== undefined) return `its field is already in line ${repeatsLine}, which counts`;
  if (field === undefined)
    return countedFieldOf(name) === undefined ? (NOT_COUNTED[name] ?? 'it is not counted here') : undefined;
  if (type === 'label')
    return inventoryFactOf(field.id) === undefined
      ? 'as a label only facts about a device are served, such as its driver or its serial number'
      : undefined;
  const instead = fieldInstead(field.id);
  return instead === undefined ? laneFieldProblem(field) : `DCGM has no value for it; use ${instead}`;
}

/** Without a counters file: every field of the lanes by its DCGM name, and the version of the driver. */
export function servedOfLanes(lanes: readonly Lane[]): ServedCounters {
  const fields = new Map(lanes.flatMap((lane) => lane.fields).map((field) => [field.id, field]));
  const counters = [...fields.values()].map((field) => ({
    name: field.name,
    type: field.kind === 'counter' ? 'counter' : 'gauge',
    help: field.help,
    field,
  }));
  const labels = [{ name: 'DCGM_FI_DRIVER_VERSION', fieldId: DRIVER_FIELD_ID }];
  return { counters, labels, exporterCounters: [], warnings: [] };
}

const DRIVER_FIELD_ID = 1;
