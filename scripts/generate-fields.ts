/**
 * Writes `src/core/fields/field-catalogue.ts` and `docs/fields.md` from `data/dcgm-fields.csv` (what DCGM has),
 * `data/base-unit-fields.csv` (what it has a second time) and `data/curated-columns.csv` (the columns chosen by hand). Run it with `npm run generate`; `--check` writes nothing and
 * ends with 1 when a file is not what would be written.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { assert } from '../src/core/base/assert.ts';
import type { Field } from '../src/core/fields/field.ts';

interface DcgmRow {
  id: string;
  tag: string;
  type: Field['type'];
  entity_level: string;
  unit: string;
  name_4_6_0: string;
  name_4_6_1: string;
  other_macro_names: string;
  /** Lower-case name that dcgm-exporter 1.x had for it, still accepted in its counters files. */
  exporter_1x_name: string;
}

/** A field that gives the quantity of another one in base units. */
interface BaseUnitRow {
  id: string;
  name: string;
  type: Field['type'];
  unit: string;
  /** The field whose quantity it is. */
  field_id: string;
}

interface CuratedRow {
  id: string;
  column: string;
  unit: string;
  kind: Field['kind'];
  help: string;
}

interface BaseUnit {
  unit: string;
  scale: number;
  isCumulative: boolean;
}

/** The unit as `dcgm-fields.csv` writes it (up to the first blank) → base unit and the factor to it. */
const BASE_UNITS: Readonly<Record<string, readonly [unit: string, scale: number]>> = {
  C: ['celsius', 1],
  Hz: ['hertz', 1],
  kHz: ['hertz', 1e3],
  MHz: ['hertz', 1e6],
  W: ['watts', 1],
  'mW/s': ['watts_per_second', 1e-3],
  mV: ['volts', 1e-3],
  J: ['joules', 1],
  mJ: ['joules', 1e-3],
  bytes: ['bytes', 1],
  MiB: ['bytes', 1_048_576],
  'bytes/s': ['bytes_per_second', 1],
  'KB/s': ['bytes_per_second', 1e3],
  'MB/s': ['bytes_per_second', 1e6],
  ns: ['seconds', 1e-9],
  ms: ['seconds', 1e-3],
  s: ['seconds', 1],
  percent: ['ratio', 1e-2],
  ratio: ['ratio', 1],
  cycles: ['cycles', 1],
};

/** DCGM divides a KiB counter by 1000 and calls it MB/s: the number is 1000 KiB, which is 1 024 000 bytes. */
const THOUSAND_KIB = 1_024_000;

const ENTITIES: Readonly<Record<string, string>> = {
  '': 'unknown',
  NONE: 'none',
  GPU: 'gpu',
  GPU_I: 'gpu_instance',
  GPU_CI: 'compute_instance',
  LINK: 'link',
  SWITCH: 'switch',
  VGPU: 'vgpu',
  CPU: 'cpu',
  CPU_CORE: 'cpu_core',
  CONNECTX: 'connectx',
};

/** Words at the end of a tag that only repeat the unit; the unit's own suffix takes their place. */
const UNIT_WORDS = /_(bytes|percent|ratio|hertz|joules|watts|celsius|ns|mvolt)$/;

function baseUnitOf(row: Pick<DcgmRow, 'id' | 'unit'>): BaseUnit {
  const isCumulative = row.unit.includes('(cumulative)');
  const word = row.unit.split(' ')[0] ?? '';
  if (row.unit.includes('1000 KiB/s')) return { unit: 'bytes_per_second', scale: THOUSAND_KIB, isCumulative };
  const base = BASE_UNITS[word];
  if (base !== undefined) return { unit: base[0], scale: base[1], isCumulative };
  assert(row.unit === '' || row.id === '5', `field ${row.id}: no base unit for "${row.unit}"`);
  return { unit: '', scale: 1, isCumulative };
}

function namesOf(row: DcgmRow): string[] {
  const others = row.other_macro_names.split(/[;\s]+/);
  return [row.name_4_6_0, row.name_4_6_1, ...others, row.exporter_1x_name].filter((name) => name !== '');
}

/** A field counts when its unit says so, or when it has no unit and DCGM's newer name ends in `_TOTAL`. */
function isCounter(row: DcgmRow, base: BaseUnit): boolean {
  if (base.isCumulative) return true;
  if (base.unit !== '') return false;
  const isEccCount = /_ECC_[SD]BE_(VOL|AGG)_/.test(row.tag);
  return isEccCount || [row.tag, ...namesOf(row)].some((name) => name.endsWith('_TOTAL'));
}

/** The rule for columns that nobody chose by hand; `docs/fields.md` tells it to users. */
function columnByRule(row: DcgmRow, base: BaseUnit): string {
  let column = row.tag.replace(/^DCGM_FI_(DEV_|PROF_)?/, '').toLowerCase();
  if (base.unit === '') return column;
  const isTotal = base.isCumulative && column.endsWith('_total');
  if (isTotal) column = column.slice(0, -'_total'.length);
  column = column.replace(UNIT_WORDS, '');
  if (!column.split('_').includes(base.unit)) column += `_${base.unit}`;
  return isTotal ? `${column}_total` : column;
}

function fieldOf(row: DcgmRow, curated: CuratedRow | undefined, twin: BaseUnitRow | undefined): Field {
  const base = baseUnitOf(row);
  const counts = isCounter(row, base);
  const kindByRule = counts ? 'counter' : base.unit === '' ? 'state' : 'gauge';
  const unitByRule = base.unit !== '' ? base.unit : counts ? 'count' : 'code';
  if (curated !== undefined && base.unit !== '') {
    assert(
      curated.unit === base.unit,
      `curated ${row.id}: unit ${curated.unit}, but the source gives ${base.unit}`,
    );
  }
  if (twin !== undefined) {
    const { unit, scale, isCumulative } = baseUnitOf(twin);
    assert(unit === base.unit && scale === 1, `field ${twin.id} is not field ${row.id} in its base unit`);
    assert(isCumulative === base.isCumulative, `fields ${twin.id} and ${row.id}: only one of them counts`);
  }
  // Last, even where it was an older name before.
  const names = [
    ...namesOf(row).filter((name) => name !== twin?.name),
    ...(twin === undefined ? [] : [twin.name]),
  ];
  return {
    id: Number(row.id),
    ...(twin === undefined ? {} : { baseUnitId: Number(twin.id) }),
    name: row.tag,
    aliases: [...new Set(names)],
    type: row.type,
    column: curated?.column ?? columnByRule(row, base),
    unit: curated?.unit ?? unitByRule,
    scale: base.scale,
    kind: curated?.kind ?? kindByRule,
    isProfiling: row.tag.startsWith('DCGM_FI_PROF_'),
    isCurated: curated !== undefined,
    entity: ENTITIES[row.entity_level] ?? assertEntity(row),
    help: curated?.help ?? '',
  };
}

function assertEntity(row: DcgmRow): never {
  throw new Error(`field ${row.id}: unknown entity level "${row.entity_level}"`);
}

function readCsv(path: string): unknown[] {
  return parse(readFileSync(new URL(path, import.meta.url)), { columns: true });
}

function catalogue(): Field[] {
  const rows = readCsv('../data/dcgm-fields.csv') as DcgmRow[];
  const curated = new Map(
    (readCsv('../data/curated-columns.csv') as CuratedRow[]).map((row) => [row.id, row]),
  );
  const twins = new Map(
    (readCsv('../data/base-unit-fields.csv') as BaseUnitRow[]).map((row) => [row.field_id, row]),
  );
  const fields = rows.map((row) => fieldOf(row, curated.get(row.id), twins.get(row.id)));
  for (const id of twins.keys()) {
    assert(
      rows.some((row) => row.id === id),
      `field ${id} of base-unit-fields.csv is not in dcgm-fields.csv`,
    );
  }
  for (const id of curated.keys()) {
    assert(
      rows.some((row) => row.id === id),
      `curated field ${id} is not in dcgm-fields.csv`,
    );
  }
  return withUniqueColumns(fields);
}

/** Curated columns come first, then lower ids; a column that is taken gets the field's id at its end. */
function withUniqueColumns(fields: readonly Field[]): Field[] {
  const taken = new Set<string>();
  for (const { id, column, isCurated } of fields) {
    assert(!isCurated || !taken.has(column), `curated column ${column} of field ${id} is taken`);
    if (isCurated) taken.add(column);
  }
  return fields.map((field) => {
    if (field.isCurated) return field;
    const column = taken.has(field.column) ? `${field.column}_${field.id}` : field.column;
    assert(!taken.has(column), `column ${column} of field ${field.id} is taken`);
    taken.add(column);
    return { ...field, column };
  });
}

function moduleText(fields: readonly Field[]): string {
  const rows = fields.map((field) => {
    const row = [
      field.id,
      field.baseUnitId ?? 0,
      field.name,
      field.aliases,
      field.type,
      field.column,
      field.unit,
      field.scale,
      field.kind,
      field.isProfiling,
      field.isCurated,
      field.entity,
      field.help,
    ];
    return `  ${JSON.stringify(row)},`;
  });
  return `// Generated by scripts/generate-fields.ts from data/*.csv. Do not edit: change the data and run "npm run generate".
import type { Field } from './field.ts';

type Row = readonly [
  id: number,
  baseUnitId: number,
  name: string,
  aliases: readonly string[],
  type: Field['type'],
  column: string,
  unit: string,
  scale: number,
  kind: Field['kind'],
  isProfiling: boolean,
  isCurated: boolean,
  entity: string,
  help: string,
];

const ROWS: readonly Row[] = [
${rows.join('\n')}
];

/** Every field that DCGM has up to 4.7, by rising id; a field that it has a second time in base units is here once. */
export const FIELD_CATALOGUE: readonly Field[] = ROWS.map(
  ([id, baseUnitId, name, aliases, type, column, unit, scale, kind, isProfiling, isCurated, entity, help]) => ({
    id,
    ...(baseUnitId === 0 ? {} : { baseUnitId }),
    name,
    aliases,
    type,
    column,
    unit,
    scale,
    kind,
    isProfiling,
    isCurated,
    entity,
    help,
  }),
);
`;
}

function documentText(fields: readonly Field[]): string {
  const curated = fields.filter(({ isCurated }) => isCurated);
  const twins = fields
    .filter(({ baseUnitId }) => baseUnitId !== undefined)
    .sort((a, b) => a.baseUnitId! - b.baseUnitId!);
  const rows = curated.map(({ id, name, column, unit, scale, kind, help }) => {
    const factor = scale === 1 ? '' : ` (× ${scale})`;
    return `| ${id} | \`${column}\` | ${unit}${factor} | ${kind} | \`${name}\` | ${help} |`;
  });
  return `<!-- Generated by scripts/generate-fields.ts. Do not edit: change data/*.csv or the script and run "npm run generate". -->

# Fields and columns

gpuledger knows the ${fields.length + twins.length} fields of DCGM up to 4.7, of which ${twins.length} are another one in base units: that leaves ${fields.length}.
A field is told by its number; in a lane's \`fields\` it may be written as

- its number: \`1002\`,
- its classic name: \`DCGM_FI_PROF_SM_ACTIVE\`,
- its name since DCGM 4.6: \`DCGM_FI_PROF_SM_UTIL_RATIO\`,
- its name or number in base units, since DCGM 4.7: \`DCGM_FI_DEV_SM_CLOCK_HERTZ\` and 1603 are 100,
- an older name: \`DCGM_FI_DEV_CLOCK_THROTTLE_REASONS\`, or one of dcgm-exporter 1.x: \`dcgm_gpu_temp\`,
- its column: \`sm_active_ratio\`.

\`gpuledger fields [PATTERN]\` finds them. Fields whose values are text or bytes, or that belong to something else than a GPU
(a CPU, a switch, a link, the node), cannot be columns.

## How columns are named

Columns are lower case and end in their unit, and values are in base units: bytes, hertz, watts, joules, celsius, seconds,
ratios from 0 to 1. The conversion happens once, at the source; a value that DCGM gives in MiB is a \`_bytes\` column.

The ${curated.length} columns below are chosen by hand. The others follow one rule:

1. Take the classic name without \`DCGM_FI_\`, \`DEV_\` and \`PROF_\`, in lower case.
2. If the field has a unit, leave out a last word that only repeats it (\`bytes\`, \`percent\`, \`ns\`, …) and put the base unit
   at the end, unless it is in the name already. A counter that ends in \`_total\` keeps that as its last word.
3. If the column is taken already, put the number of the field at the end.

So \`DCGM_FI_PROF_NVLINK_L0_TX_BYTES\` is \`nvlink_l0_tx_bytes_per_second\`, and \`DCGM_FI_DEV_CPU_CLOCK_CURRENT\` (kHz) is
\`cpu_clock_current_hertz\`.

A **gauge** is a level that holds for the time of its sample: means are weighted by that time. A **counter** only rises:
differences mean something. A **state** is a code or a bit mask: neither means nor sums of it mean anything.

DCGM's NVLink bandwidth fields (449, 843, 897 and those per link) are labelled MB/s and are really thousands of KiB per
second, so their factor is 1,024,000.

## Fields in base units

DCGM 4.7 gives ${twins.length} of its quantities a second time, in base units, under a number and a name of their own (1600 to 1649; the first
13 came with 4.6.1). One quantity is one column here, in base units anyway: both numbers and all names mean it, and whoever asks for
both gets it once. The engine is asked by the older number, which engines of every version know. Number 1650 is known to exist, and
nothing else of it.

| base unit | name | same column as |
|---|---|---|
${twins.map(({ id, baseUnitId, aliases, column }) => `| ${baseUnitId} | \`${aliases.at(-1)}\` | ${id} \`${column}\` |`).join('\n')}

## Columns chosen by hand

| id | column | unit (factor) | kind | DCGM | meaning |
|---|---|---|---|---|---|
${rows.join('\n')}
`;
}

const fields = catalogue();
const outputs: readonly [path: string, text: string][] = [
  ['../src/core/fields/field-catalogue.ts', moduleText(fields)],
  ['../docs/fields.md', documentText(fields)],
];
for (const [path, text] of outputs) {
  const url = new URL(path, import.meta.url);
  if (!process.argv.includes('--check')) writeFileSync(url, text);
  else if (readFileSync(url, 'utf8') !== text) {
    console.error(`${url.pathname} is out of date: run "npm run generate"`);
    process.exitCode = 1;
  }
}
