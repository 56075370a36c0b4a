import type { Notice, Tell } from '../core/base/notice.ts';
import type { Device } from '../core/devices/device.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { Ring } from '../core/ring/ring.ts';
import type { Loss } from './delivery-place.ts';

/** Says once per episode that a ring overflowed, with a gap row for every device. */
export function tellDropEpisode(ring: Ring, lane: Lane, devices: readonly Device[], tell: Tell): void {
  const episode = ring.takeDropEpisode();
  if (episode === undefined) return;
  const { ticks, rows, firstUs: tsUs, lastUs: endUs } = episode;
  const sentence = `lane ${lane.name}: the ring was full, ${ticks} ticks (${rows} rows) were dropped`;
  const row = { tsUs, endUs, kind: 'drop', subject: lane.name, text: sentence } as const;
  tell({
    level: 'warn',
    code: 'ring.dropped',
    sentence,
    lane: lane.name,
    data: { ticks, rows },
    events: devices.map(({ node, uuid }) => ({ ...row, node, gpu: uuid })),
  });
}

/** Why rows of a lane are nowhere. Its event is the whole node's, since nobody knows whose rows they were. */
export function noticeOfLoss(lane: Lane, { rows, isLeast, firstUs, lastUs, reason }: Loss): Notice {
  const isUnknown = isLeast === true && rows === 0;
  const lost = isUnknown
    ? 'nobody can tell how many rows are lost'
    : `${isLeast ? 'at least ' : ''}${rows} rows are lost`;
  const sentence = `lane ${lane.name}: ${lost}: ${reason}`;
  const span = { tsUs: Math.round(firstUs), endUs: Math.round(lastUs) };
  return {
    level: 'debug',
    code: 'lane.lost',
    sentence,
    lane: lane.name,
    data: { rows: isUnknown ? null : rows },
    events: [{ ...span, kind: 'drop', subject: lane.name, text: sentence }],
  };
}
