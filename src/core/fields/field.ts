/** One DCGM field as the catalogue (`field-catalogue.ts`, generated) knows it. The numeric id is the key. */
export interface Field {
  readonly id: number;
  /**
   * Number under which DCGM 4.6.1 or 4.7 gives the same quantity in base units. A lane asks for `id`, which engines of every
   * version know, so both are one column.
   */
  readonly baseUnitId?: number;
  /** Classic name, `DCGM_FI_…`. */
  readonly name: string;
  /** Every other spelling that means this field (4.6+ names, older macros), the name of the base-unit field, without `name`. */
  readonly aliases: readonly string[];
  /** As the engine delivers it; only `double` and `int64` fields can be columns of a lane. */
  readonly type: 'double' | 'int64' | 'string' | 'blob' | 'unknown';
  /** Column in the sample tables: snake_case, unit last, unique over the catalogue. */
  readonly column: string;
  /** Base unit of the column: `ratio`, `watts`, `joules`, `bytes`, `bytes_per_second`, `hertz`, `celsius`, `count`, … */
  readonly unit: string;
  /** The source's raw number times `scale` is the number in the column (mJ → J: 0.001). */
  readonly scale: number;
  /** A gauge is a level that holds for dt; a counter only rises; a state is a code or a bit mask. */
  readonly kind: 'gauge' | 'counter' | 'state';
  /** True for profiling fields (ids 1001–1099 and the like), which have the 100 ms hardware floor. */
  readonly isProfiling: boolean;
  /** True for the hand-chosen columns; false for those named by the rule. */
  readonly isCurated: boolean;
  /** Smallest entity that carries it: `gpu`, `gpu_instance`, `link`, `none`, … lower case. */
  readonly entity: string;
  /** One line for `gpuledger fields`. */
  readonly help: string;
}
