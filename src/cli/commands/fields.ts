import { Command } from 'commander';
import { nearestFieldNames } from '../../../schemas/nearest.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { FIELD_CATALOGUE } from '../../core/fields/field-catalogue.ts';
import type { Field } from '../../core/fields/field.ts';
import { laneFieldProblem } from '../../core/fields/lane.ts';
import { tableText } from '../../report/text/table-text.ts';

const EXAMPLES = `
Examples:
  gpuledger fields                    the fields with columns chosen by hand
  gpuledger fields nvlink             whatever has "nvlink" in one of its names
  gpuledger fields 'DCGM_FI_PROF_*'   a pattern with * and ?
  gpuledger fields 1002               one field by its id, old or in base units
  gpuledger fields --all --json       all fields of DCGM, with every name

Any name, id or column can stand in a lane's fields. How columns are named: docs/fields.md
Exit codes: 0 fine; 64 usage, or nothing matches the pattern
`;

export function command(): Command {
  return new Command('fields')
    .description('List the fields that can be sampled, with their columns and units.')
    .argument('[pattern]', 'part of a name, or a pattern with * and ?')
    .option('--all', 'without a pattern: all fields, not only those chosen by hand')
    .option('--json', 'print JSON with every name of a field')
    .addHelpText('after', EXAMPLES)
    .action((pattern: string | undefined, options: { all?: true; json?: true }) => {
      if (pattern?.trim() === '') throw nothingFound(pattern);
      const found = pattern === undefined ? listed(options.all === true) : matching(pattern);
      if (pattern !== undefined && found.length === 0) throw nothingFound(pattern);
      if (options.json === true) {
        const rows = found.map((field) => ({ ...field, canBeColumn: laneFieldProblem(field) === undefined }));
        process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`);
        return;
      }
      process.stdout.write(table(found));
      if (pattern === undefined && options.all !== true) {
        process.stdout.write(
          `\n${found.length} of ${FIELD_CATALOGUE.length} fields; the others: --all, or a pattern\n`,
        );
      }
    });
}

function listed(isAll: boolean): readonly Field[] {
  return isAll ? FIELD_CATALOGUE : FIELD_CATALOGUE.filter(({ isCurated }) => isCurated);
}

/** Fields of which a name, the column or the id fits: part of it, or the whole of it when there is a * or ?. */
export function matching(pattern: string): readonly Field[] {
  const isId = /^\d+$/.test(pattern);
  const expression = patternOf(pattern);
  return FIELD_CATALOGUE.filter((field) =>
    isId
      ? [field.id, field.baseUnitId].includes(Number(pattern))
      : [field.name, ...field.aliases, field.column].some((name) => expression.test(name)),
  );
}

function patternOf(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return /[*?]/.test(pattern)
    ? new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'i')
    : new RegExp(escaped, 'i');
}

function nothingFound(pattern: string): OperatingError {
  const nearest = nearestFieldNames(pattern);
  return new OperatingError(`no field matches "${pattern}"`, {
    code: 'usage.field',
    exit: 'usage',
    hints: [
      nearest.length === 0 ? 'all fields: gpuledger fields --all' : `did you mean: ${nearest.join(', ')}`,
    ],
  });
}

function table(fields: readonly Field[]): string {
  const rows = fields.map((field) => [
    String(field.id),
    field.name,
    laneFieldProblem(field) === undefined ? field.column : `(no column: ${whyShort(field)})`,
    field.unit,
    field.kind,
  ]);
  return `${tableText([['id', 'name', 'column', 'unit', 'kind'], ...rows], 'left', '').join('\n')}\n`;
}

function whyShort({ type, entity }: Field): string {
  if (type === 'unknown') return 'type unknown';
  return type === 'double' || type === 'int64' ? entity.replace('_', ' ') : type;
}
