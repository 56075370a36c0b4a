import { FIELD_CATALOGUE } from './field-catalogue.ts';
import type { Field } from './field.ts';

let fieldByKey: Map<string, Field> | undefined;

/** Every spelling → field: its ids in decimal, the classic name, each alias, the column. Built when first asked for. */
function index(): Map<string, Field> {
  if (fieldByKey !== undefined) return fieldByKey;
  const map = new Map<string, Field>();
  for (const field of FIELD_CATALOGUE) {
    for (const key of [String(field.id), field.name, ...field.aliases, field.column]) map.set(key, field);
    if (field.baseUnitId !== undefined) map.set(String(field.baseUnitId), field);
  }
  fieldByKey = map;
  return map;
}

/**
 * The field that a name or id means: numeric id (`1002` or `'1002'`, of a base-unit field too), classic name (`DCGM_FI_PROF_SM_ACTIVE`), 4.6+ name,
 * older macro, 1.x name of dcgm-exporter, or column (`sm_active_ratio`). Case matters, as it does to dcgm-exporter.
 */
export function findField(nameOrId: string | number): Field | undefined {
  return index().get(String(nameOrId));
}

/** The field that DCGM or dcgm-exporter calls by this name: like `findField`, but neither ids nor columns. */
export function findFieldByDcgmName(name: string): Field | undefined {
  return /^dcgm_/i.test(name) ? index().get(name) : undefined;
}
