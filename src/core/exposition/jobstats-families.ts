import { isInstance, type Device } from '../devices/device.ts';
import type { Field } from '../fields/field.ts';
import { findField } from '../fields/find-field.ts';
import { findable, newestSample, type DeviceExposition, type FindableLane } from './device-families.ts';
import type { ExpositionLabel, Family, Series } from './family.ts';
import { shortestNumber } from './sample-number.ts';

/** A series of jobstats' exporter, and what it is made of. */
interface JobstatsFamily {
  readonly name: string;
  readonly help: string;
  readonly field: Field;
  /** From base units; undefined where nobody knows it. */
  readonly valueOf: (value: number, device: Device) => number | undefined;
  /** NVML tells it of GPUs that are not cut alone. */
  readonly isOfWholeGpus?: true;
}

function fieldOf(name: string): Field {
  return findField(name)!;
}

const MEMORY_USED = fieldOf('DCGM_FI_DEV_FB_USED');

/**
 * What `jobstats` and its board ask for, in the units of nvidia_gpu_prometheus_exporter. The total memory is of the inventory; it has
 * the time, and the job, of the memory in use. jobstats takes the graphics engine, a ratio in spite of its name, where there is no duty cycle.
 */
const FAMILIES: readonly JobstatsFamily[] = [
  {
    name: 'nvidia_gpu_duty_cycle',
    help: 'Time in which a kernel ran on the GPU, in percent.',
    field: fieldOf('DCGM_FI_DEV_GPU_UTIL'),
    valueOf: (ratio) => Math.round(ratio * 100),
    isOfWholeGpus: true,
  },
  {
    name: 'nvidia_gpu_graphics_util_percent',
    help: 'Time in which the graphics or compute engine was active, from 0 to 1.',
    field: fieldOf('DCGM_FI_PROF_GR_ENGINE_ACTIVE'),
    valueOf: (ratio) => ratio,
  },
  {
    name: 'nvidia_gpu_memory_total_bytes',
    help: 'Memory of the GPU in bytes.',
    field: MEMORY_USED,
    valueOf: (_, { memoryBytes }) => (memoryBytes === 0 ? undefined : memoryBytes),
  },
  {
    name: 'nvidia_gpu_memory_used_bytes',
    help: 'Memory in use on the GPU in bytes.',
    field: MEMORY_USED,
    valueOf: (bytes) => bytes,
  },
  {
    name: 'nvidia_gpu_power_usage_milliwatts',
    help: 'Power of the GPU in milliwatts.',
    field: fieldOf('DCGM_FI_DEV_POWER_USAGE'),
    valueOf: (watts) => Math.round(watts * 1000),
  },
  {
    name: 'nvidia_gpu_temperature_celsius',
    help: 'Temperature of the GPU in degrees Celsius.',
    field: fieldOf('DCGM_FI_DEV_GPU_TEMP'),
    valueOf: (celsius) => celsius,
  },
];

/** What has to be sampled for all of them. */
export const JOBSTATS_FIELDS: readonly Field[] = [...new Set(FAMILIES.map(({ field }) => field))];

/** Of which fields which series are made, for whoever tells what is missing. */
export const JOBSTATS_SOURCES: readonly Pick<JobstatsFamily, 'name' | 'field'>[] = FAMILIES;

export interface JobstatsExposition extends Pick<
  DeviceExposition,
  'devices' | 'lanes' | 'nowUs' | 'ownersAt'
> {
  /** Number of the user of a job on a device; undefined where nobody told. */
  readonly uidOf: (gpu: string, jobId: string) => number | undefined;
}

/** The series that `jobstats` and its Grafana board read, with the job and the user at the time of the sample. */
export function jobstatsFamilies(asked: JobstatsExposition): Family[] {
  const { devices } = asked;
  const lanes = asked.lanes.map(findable);
  const gpus = devices.filter((device) => !isInstance(device)).length;
  return [
    {
      ...{ name: 'nvidia_gpu_num_devices', type: 'gauge', help: 'Number of GPUs.' },
      series: [{ labels: [], number: shortestNumber(gpus) }],
    },
    ...FAMILIES.map((family) => ({
      ...{ name: family.name, type: 'gauge', help: family.help },
      series: devices.flatMap((device) => seriesOf(device, family, lanes, asked)),
    })),
  ];
}

function seriesOf(
  device: Device,
  family: JobstatsFamily,
  lanes: readonly FindableLane[],
  asked: JobstatsExposition,
): Series[] {
  if (family.isOfWholeGpus === true && (isInstance(device) || device.isCut === true)) return [];
  const newest = newestSample(device, family.field, lanes, asked.nowUs);
  if (newest === undefined) return [];
  const value = family.valueOf(newest.value, device);
  if (value === undefined) return [];
  const owners = asked.ownersAt(device.uuid, newest.tsUs);
  const jobs = owners.length === 0 ? [''] : owners.map(({ jobId }) => jobId);
  return jobs.map((jobId) => ({
    labels: labelsOf(device, jobId, asked),
    number: shortestNumber(value),
  }));
}

/** All of them on each series, empty where there is nothing to say: as the library of that exporter prints them. */
function labelsOf(device: Device, jobId: string, { devices, uidOf }: JobstatsExposition): ExpositionLabel[] {
  const parent = devices.find(({ uuid }) => uuid === device.parentUuid);
  return [
    ['GPU_I_ID', textOf(device.gpuInstanceId)],
    ['jobid', jobId],
    ['minor_number', textOf(device.minor ?? parent?.minor)],
    ['name', device.model],
    ['ordinal', String(device.index)],
    ['userid', jobId === '' ? '' : textOf(uidOf(device.uuid, jobId))],
    ['uuid', device.uuid],
  ];
}

function textOf(number: number | undefined): string {
  return number === undefined ? '' : String(number);
}
