import type { JobDevice } from '../../figures/job/figures.ts';

/** What a name is made of. */
export type NamedDevice = Pick<JobDevice, 'gpu' | 'node' | 'index' | 'migProfile'>;

/** What people call a device: `n2 gpu 3`, with the instance's profile and the end of its UUID for MIG. */
export function deviceName(device: NamedDevice): string {
  return `${device.node} gpu ${deviceNumber(device)}`;
}

/** `3`; `3/1g.18gb·9f2c` for a MIG instance; the end of the UUID when the inventory does not know the device. */
export function deviceNumber(device: NamedDevice): string {
  const tail = device.gpu.slice(-4);
  if (device.index === undefined) return `…${device.gpu.slice(-8)}`;
  if (device.migProfile !== undefined) return `${device.index}/${device.migProfile}·${tail}`;
  return String(device.index);
}

/** `n1 gpu 4–7, n2 gpu 0`: devices of one node together, neighbours as a range. */
export function deviceNames(devices: readonly JobDevice[]): string {
  const byNode = new Map<string, JobDevice[]>();
  for (const device of devices) byNode.set(device.node, [...(byNode.get(device.node) ?? []), device]);
  return [...byNode].map(([node, ofNode]) => `${node} gpu ${numbersText(ofNode)}`).join(', ');
}

function numbersText(devices: readonly JobDevice[]): string {
  const isPlain = devices.every((device) => device.index !== undefined && device.migProfile === undefined);
  if (!isPlain) return devices.map(deviceNumber).join(', ');
  const ranges: [number, number][] = [];
  for (const index of devices.map((device) => device.index!).sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && index === last[1] + 1) last[1] = index;
    else ranges.push([index, index]);
  }
  return ranges
    .map(([from, to]) => (from === to ? String(from) : `${from}${to === from + 1 ? ', ' : '–'}${to}`))
    .join(', ');
}
