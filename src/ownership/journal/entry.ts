import type { Device } from '../../core/devices/device.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';

/** A record of the journal with its time. */
export interface JournalEntry {
  /** File name, for messages. */
  readonly name: string;
  /** When the hook wrote it, epoch µs. */
  readonly atUs: number;
  readonly record: JournalRecord;
  /** What the record's device names mean on this node. */
  readonly resolution: { readonly devices: readonly Device[]; readonly unresolved: readonly string[] };
  /** Part of each device in (0, 1]; 1: nobody else is given this device meanwhile; NaN: unknown. */
  readonly share: number;
  /** By device UUID, where a part is known of this one device. */
  readonly shares?: ReadonlyMap<string, number>;
}
