import type { TickWriter } from '../../src/core/ring/ring.ts';

export interface SunkRow {
  readonly device: number;
  readonly tsUs: number;
  readonly values: number[];
}

/** A `TickWriter` that keeps every row. */
export interface RowSink extends TickWriter {
  readonly rows: SunkRow[];
  ofDevice(device: number): SunkRow[];
  takeAll(): SunkRow[];
}

export function createRowSink(): RowSink {
  const rows: SunkRow[] = [];
  let open = new Map<number, SunkRow>();
  return {
    rows,
    setRow(device, tsUs) {
      const row = { device, tsUs, values: [] };
      open.set(device, row);
      rows.push(row);
    },
    set(device, column, value) {
      const row = open.get(device);
      if (row === undefined) throw new Error('a value without a row');
      row.values[column] = value;
    },
    next() {
      open = new Map();
      return true;
    },
    ofDevice: (device) => rows.filter((row) => row.device === device),
    takeAll: () => rows.splice(0),
  };
}
