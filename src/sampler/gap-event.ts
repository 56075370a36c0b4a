import { formatDuration } from '../../schemas/duration.ts';
import type { Device } from '../core/devices/device.ts';
import type { GpuEvent } from '../core/sampling/event.ts';

/** That nothing was sampled of a device between two rows. Told again it is the same row of `gpu_events`. Epoch µs. */
export function gapEvent(
  lane: string,
  { node, uuid }: Pick<Device, 'node' | 'uuid'>,
  fromUs: number,
  toUs: number,
): GpuEvent {
  const text = `lane ${lane}: no sample for ${formatDuration((toUs - fromUs) / 1000)}`;
  return { tsUs: fromUs, endUs: toUs, node, gpu: uuid, kind: 'gap', subject: lane, text };
}
