import type { Device } from '../core/devices/device.ts';
import type { GpuEvent } from '../core/sampling/event.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Ring } from '../core/ring/ring.ts';
import type { Loss } from './delivery-place.ts';

export interface LaneLoss extends Loss {
  readonly lane: Lane;
}

/** Says once per episode that a ring overflowed, with a gap row for every device. */
export function noteDropEpisode(
  ring: Ring,
  lane: Lane,
  devices: readonly Device[],
  note: (event: GpuEvent) => void,
  tell: Tell,
): void {
  const episode = ring.takeDropEpisode();
  if (episode === undefined) return;
  const sentence = `lane ${lane.name}: the ring was full, ${episode.ticks} ticks (${episode.rows} rows) were dropped`;
  tell({
    level: 'warn',
    code: 'ring.dropped',
    sentence,
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
      text: sentence,
    });
  }
}

/** The row that says why rows of a lane are nowhere: the whole node's, since nobody knows whose they were. */
export function eventOfLoss(
  { lane, rows, firstUs, lastUs, reason }: LaneLoss,
  devices: readonly Device[],
): GpuEvent {
  return {
    tsUs: Math.round(firstUs),
    endUs: Math.round(lastUs),
    node: devices[0]!.node,
    kind: 'drop',
    subject: lane.name,
    text: `lane ${lane.name}: ${rows} rows are lost: ${reason}`,
  };
}
