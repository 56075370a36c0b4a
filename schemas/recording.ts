/** The lines of a recording (docs/recording.md): one JSON object a line, each with the one key that names its kind. */
import * as z from 'zod';

const text = z.string().min(1);
const index = z.int().min(0);
const timeUs = z.int().min(0);

const device = z.strictObject({
  uuid: text,
  node: text,
  index,
  model: z.string(),
  memoryBytes: z.number().min(0),
  driver: z.string().exactOptional(),
  minor: index.exactOptional(),
  pciBusId: z.string().exactOptional(),
  parentUuid: text.exactOptional(),
  gpuInstanceId: index.exactOptional(),
  computeInstanceId: index.exactOptional(),
  migProfile: z.string().exactOptional(),
});

export const RECORDING_VERSION = 1;

/** The first line. */
export const recordingHeaderSchema = z.strictObject({
  recording: z.strictObject({
    version: z.literal(RECORDING_VERSION),
    source: z.enum(['dcgm', 'nvml', 'synthetic', 'recording']),
    devices: z.array(device).min(1),
  }),
});

/** A lane, before its first tick. `fields` are DCGM ids, in the order of the values. */
const laneLine = z.strictObject({
  lane: z.strictObject({
    index,
    name: text,
    intervalMs: z.number().positive(),
    fields: z.array(index).min(1),
  }),
});

/** [lane, time in epoch µs, rows]; a row is [device, its own time less the tick's in µs, value or null, …]. */
const tickLine = z.strictObject({
  tick: z.tuple([index, timeUs, z.array(z.tuple([index, z.int()], z.number().nullable()))]),
});

const eventLine = z.strictObject({
  event: z.strictObject({
    tsUs: timeUs,
    endUs: timeUs.exactOptional(),
    node: text,
    gpu: text.exactOptional(),
    kind: z.enum([
      'xid',
      'throttle',
      'ecc',
      'remap',
      'health',
      'blank_begin',
      'blank_end',
      'paused',
      'gap',
      'drop',
      'clock_step',
      'engine_lost',
      'engine_found',
      'rewatched',
      'route_changed',
      'frozen_stamps',
      'mig_changed',
      'unresolved',
      'implausible',
      'pause_refused',
    ]),
    code: z.int().exactOptional(),
    subject: z.string(),
    text: z.string(),
  }),
});

export const recordingLineSchema = z.union([tickLine, eventLine, laneLine]);

export type RecordingHeader = z.infer<typeof recordingHeaderSchema>;
export type RecordingLine = z.infer<typeof recordingLineSchema>;
export type RecordedTick = z.infer<typeof tickLine>['tick'];
export type RecordedLane = z.infer<typeof laneLine>['lane'];
