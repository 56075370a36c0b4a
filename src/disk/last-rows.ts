import { crc32 } from 'node:zlib';
import { dirname } from 'node:path';
import * as z from 'zod';
import type { RowBefore } from '../core/ring/row-carry.ts';
import { onDisk } from './disk-error.ts';
import { replaceFile, type Disk } from './disk.ts';

/** Where the rows of a lane ended: dt and rises of the next life go on from there, whether the store answers or not. */
export interface LastRows {
  /** The newest life whose rows are in it; those of later ones are in their ring journals only. */
  readonly life: number;
  /** By device UUID. */
  readonly rows: ReadonlyMap<string, RowBefore>;
}

/** JSON has no NaN. */
const number = z.number().nullable();
const content = z.strictObject({
  life: z.number(),
  rows: z.array(
    z.strictObject({
      gpu: z.string(),
      tsUs: number,
      energyJoules: number,
      energyTsUs: number,
      seenUs: number,
    }),
  ),
});

const EMPTY: LastRows = { life: 0, rows: new Map() };

/** Empty when there is none, or none that is sound: then the store tells, as far as it can. @throws OperatingError `state.disk` */
export function readLastRows(disk: Disk, path: string): LastRows {
  const text = onDisk('where the rows ended', path, () => disk.read(path))
    ?.toString('latin1')
    .trimEnd();
  if (text === undefined || text.slice(0, 8) !== checksum(text.slice(9))) return EMPTY;
  const parsed = content.safeParse(JSON.parse(text.slice(9)));
  if (!parsed.success) return EMPTY;
  const { life, rows } = parsed.data;
  return {
    life,
    rows: new Map(
      rows.map(({ gpu, tsUs, energyJoules, energyTsUs, seenUs }) => [
        gpu,
        {
          tsUs: tsUs ?? NaN,
          energyJoules: energyJoules ?? NaN,
          energyTsUs: energyTsUs ?? NaN,
          seenUs: seenUs ?? NaN,
        },
      ]),
    ),
  };
}

/** A kill or a power failure leaves the old content or the new one. @throws OperatingError `state.disk` */
export function writeLastRows(disk: Disk, path: string, { life, rows }: LastRows): void {
  const json = JSON.stringify({ life, rows: [...rows].map(([gpu, row]) => ({ gpu, ...row })) });
  onDisk('where the rows ended', path, () => {
    disk.makeDirectory(dirname(path));
    replaceFile(disk, path, Buffer.from(`${checksum(json)} ${json}\n`, 'latin1'));
  });
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
