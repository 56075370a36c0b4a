import { labelledDevices, type DeviceExposition } from './device-families.ts';
import type { Family } from './family.ts';
import { shortestNumber } from './sample-number.ts';

/**
 * Which part of a device each of its jobs has. The series of a shared device stand once for each job, all with the whole value; times
 * this they add up to it.
 */
export function shareFamily(asked: DeviceExposition): Family {
  const series = labelledDevices(asked).flatMap(({ device, labels }) =>
    asked.ownersAt(device.uuid, asked.nowUs).map(({ jobId, part }) => ({
      labels: [...labels, ['hpc_job', jobId] as const],
      number: shortestNumber(part),
    })),
  );
  return {
    name: 'gpuledger_job_share_ratio',
    type: 'gauge',
    help: 'Part of the device that the job has: times this, values of a shared device add up.',
    series,
  };
}
