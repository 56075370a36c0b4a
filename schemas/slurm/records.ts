import { quoteShort } from './jobs.ts';
import type { RefusedRow } from '../../src/core/jobs/cluster-load.ts';

/** A node in ten thousand partitions still fits. */
const RECORD_CHARACTERS_MAX = 1 << 20;

/** What stands between two cells, and behind the last one: no name may hold them. */
export interface Marks {
  readonly cell: string;
  readonly row: string;
}

/** Reads the rows of `squeue -O` and `sinfo -O` with marks of our own, while they come. */
export interface RecordReader {
  add(chunk: Uint8Array): void;
  /** To be called when nothing more comes. @returns false when a last row is cut off */
  end(): boolean;
}

/**
 * A cell may hold line ends: only the mark ends a row.
 * @param onCells called with as many cells as there are columns
 * @param onRefused called for each row that has more or fewer
 */
export function createRecordReader(
  columns: readonly string[],
  marks: Marks,
  onCells: (cells: readonly string[]) => void,
  onRefused: (row: RefusedRow) => void,
): RecordReader {
  const decoder = new TextDecoder();
  const rowEnd = `${marks.row}\n`;
  let rest = '';
  /** A row that is too long goes on until its end comes. */
  let isTooLong = false;

  function take(text: string): void {
    if (isTooLong) {
      isTooLong = false;
      return;
    }
    const cells = text.split(marks.cell);
    if (cells.length === columns.length) onCells(cells);
    else {
      const expected = `expected a row of ${columns.length} columns`;
      onRefused({ expected, found: `${cells.length}: ${quoteShort(text.replaceAll(marks.cell, '|'))}` });
    }
  }

  return {
    add(chunk) {
      const rows = (rest + decoder.decode(chunk, { stream: true })).split(rowEnd);
      rest = rows.pop()!;
      for (const row of rows) take(row);
      if (rest.length <= RECORD_CHARACTERS_MAX) return;
      if (!isTooLong) onRefused({ expected: 'expected a row that ends', found: quoteShort(rest) });
      isTooLong = true;
      // The mark may be cut in two.
      rest = rest.slice(-rowEnd.length);
    },
    end: () => rest.trim() === '',
  };
}
