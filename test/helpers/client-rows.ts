import { createBuffer, SenderOptions } from '@questdb/nodejs-client';
import type { EncoderOptions } from '../../src/core/wire/encode.ts';
import { ENERGY_RISE_COLUMN, ENERGY_RISE_DT_COLUMN } from '../../src/core/fields/well-known.ts';
import type { Label } from '../../src/core/jobs/label.ts';

/** One row of a sample table in plain values. */
export interface PlainRow {
  /** Position among the devices. */
  readonly device: number;
  readonly label: Label;
  readonly tsUs: number;
  readonly dtUs: number;
  readonly values: readonly number[];
  readonly energyRise: number;
  readonly energyRiseDtUs: number;
}

export type ClientBuffer = ReturnType<typeof createBuffer>;

/** The official client's buffer, protocol version 2. Nothing is connected to. */
export async function openClientBuffer(bytesMax = 64 * 1024 * 1024): Promise<ClientBuffer> {
  const conf = `http::addr=127.0.0.1:1;protocol_version=2;init_buf_size=${Math.min(bytesMax, 1024 * 1024)};max_buf_size=${bytesMax};`;
  return createBuffer(await SenderOptions.fromConfig(conf));
}

/** Writes the row through the client's own calls, in the order of the sample tables. */
export function addToClient(buffer: ClientBuffer, options: EncoderOptions, row: PlainRow): void {
  const device = options.devices[row.device]!;
  buffer.table(options.table);
  if (device.cluster !== undefined) buffer.symbol('cluster', device.cluster);
  buffer.symbol('node', device.node).symbol('gpu', device.uuid);
  if (row.label.jobId !== null) buffer.stringColumn('job_id', row.label.jobId);
  const { owners, ownerSet } = row.label;
  buffer.intColumn('owners', owners);
  if (ownerSet !== null) buffer.intColumn('owner_set', Number(ownerSet));
  buffer.intColumn('dt_us', row.dtUs);
  for (let column = 0; column < options.columns.length; column += 1) {
    buffer.floatColumn(options.columns[column]!, row.values[column]!);
  }
  if (options.hasEnergyRise) {
    buffer.floatColumn(ENERGY_RISE_COLUMN, row.energyRise);
    buffer.intColumn(ENERGY_RISE_DT_COLUMN, row.energyRiseDtUs);
  }
  buffer.at(row.tsUs, 'us');
}

/** A copy of what the client would send for these rows. */
export function clientBytes(
  buffer: ClientBuffer,
  options: EncoderOptions,
  rows: readonly PlainRow[],
): Buffer {
  buffer.reset();
  for (const row of rows) addToClient(buffer, options, row);
  return rows.length === 0 ? Buffer.alloc(0) : Buffer.from(buffer.toBufferView());
}
