import { quoteName } from '../../../../schemas/tables.ts';
import { findField } from '../../../core/fields/find-field.ts';
import { PIPE_FIELD_IDS, type PipeKey } from '../../../core/fields/well-known.ts';
import type { LaneGauges } from '../../gauges.ts';
import type { KeptLane, Segment } from '../../levels.ts';
import type { Cells } from '../../query-cells.ts';

/** Σ pipe activity·dt, Σ SM activity·dt and Σ dt (µs), over the samples in which both were known. */
interface PipeSums {
  readonly pipeSum: number;
  readonly smSum: number;
  readonly knownUs: number;
}

export type PipesSums = Map<PipeKey, PipeSums>;

/** What a lane tells of pipes: their columns, and that of the SM activity. */
interface PipeColumns {
  readonly sm: string;
  readonly pipes: readonly (readonly [PipeKey, string])[];
}

export const PIPE_KEYS = Object.keys(PIPE_FIELD_IDS) as readonly PipeKey[];

/** Of the lane in which SM activity is read, the pipes that its table has; undefined of any other lane. */
export function pipeColumnsOf({
  gauges,
  kept,
}: Pick<LaneGauges, 'gauges'> & { readonly kept: Pick<KeptLane, 'columns'> }): PipeColumns | undefined {
  const sm = new Map(gauges).get('smActive');
  if (sm === undefined) return undefined;
  const pipes = PIPE_KEYS.map((key) => [key, findField(PIPE_FIELD_IDS[key])!.column] as const);
  return { sm, pipes: pipes.filter(([, column]) => kept.columns.has(column)) };
}

/**
 * The sums over rows `s` of a segment; those of a pipe have its number. A bucket of a rollup counts where it knew both for equally long: of another
 * one nobody knows whether it was the same time.
 */
export function pipeSumsSql({ sm, pipes }: PipeColumns, { level, columns }: Segment): string[] {
  return pipes.flatMap(([, pipe], index) => {
    const of = (column: string): string => `s.${quoteName(column)}`;
    const [isBoth, pipeSum, smSum, us] =
      level === 'raw'
        ? [
            `${of(pipe)} IS NOT NULL AND ${of(sm)} IS NOT NULL`,
            `${of(pipe)} * s.dt_us`,
            `${of(sm)} * s.dt_us`,
            's.dt_us',
          ]
        : [`${of(`${pipe}_dt`)} = ${of(`${sm}_dt`)}`, of(`${pipe}_dtsum`), of(`${sm}_dtsum`), of(`${sm}_dt`)];
    const isThere = level === 'raw' || columns.has(`${pipe}_dt`);
    return [
      [`p${index}_sum`, pipeSum],
      [`p${index}_sm`, smSum],
      [`p${index}_us`, us],
    ].map(([name, x]) =>
      isThere ? `sum(CASE WHEN ${isBoth} THEN ${x} END) AS ${name}` : `cast(null AS DOUBLE) AS ${name}`,
    );
  });
}

/** Adds a row of the answer. */
export function addPipes(sums: PipesSums, row: Cells, { pipes }: PipeColumns): void {
  for (const [index, [key]] of pipes.entries()) {
    const knownUs = row.number(`p${index}_us`);
    if (knownUs === undefined) continue;
    const [pipeSum, smSum] = [row.number(`p${index}_sum`) ?? 0, row.number(`p${index}_sm`) ?? 0];
    addPipe(sums, key, { pipeSum, smSum, knownUs });
  }
}

export function addPipe(sums: PipesSums, key: PipeKey, more: PipeSums): void {
  const known = sums.get(key) ?? { pipeSum: 0, smSum: 0, knownUs: 0 };
  sums.set(key, {
    pipeSum: known.pipeSum + more.pipeSum,
    smSum: known.smSum + more.smSum,
    knownUs: known.knownUs + more.knownUs,
  });
}
