import type { Device } from './core/device.ts';
import type { GpuEvent } from './core/event.ts';
import type { Lane } from './core/lane.ts';
import type { Log } from './core/log-entry.ts';
import type { Ring } from './core/ring.ts';

/** Says once per episode that a ring overflowed, with a gap row for every device. */
export function noteDropEpisode(
  ring: Ring,
  lane: Lane,
  devices: readonly Device[],
  note: (event: GpuEvent) => void,
  log: Log,
): void {
  const episode = ring.takeDropEpisode();
  if (episode === undefined) return;
  const text = `lane ${lane.name}: the ring was full, ${episode.ticks} ticks (${episode.rows} rows) were dropped`;
  log({
    level: 'warn',
    event: 'ring.dropped',
    text,
    data: { lane: lane.name, ticks: episode.ticks, rows: episode.rows },
  });
  for (const { node, uuid } of devices) {
    note({
      tsUs: episode.firstUs,
      endUs: episode.lastUs,
      node,
      gpu: uuid,
      kind: 'drop',
      subject: lane.name,
      text,
    });
  }
}
