import { migProfileOf } from '../devices/mig-profile.ts';

/** A part of a GPU that somebody can be given. */
export interface Size {
  /** `1g.18gb`; undefined of the whole GPU. */
  readonly profile: string | undefined;
  /** Compute slices, of so many that the GPU has. */
  readonly slices: number;
  readonly wholeSlices: number;
  /** Eighths of the GPU's memory. */
  readonly eighths: number;
  readonly memoryBytes: number;
  /** So many of them a GPU can be cut into. */
  readonly countMax: number;
}

/** What MIG cuts a GPU into: slices, eighths of its memory, and how many there may be. */
type Shape = readonly [slices: number, eighths: number, countMax: number];

/**
 * By the compute slices of the whole GPU, smallest first, without that of all slices: NVIDIA's Multi-Instance GPU user guide, "Supported
 * MIG Profiles". A profile with media extensions (`+me`) is as large as that without.
 */
const SHAPES: Readonly<Record<number, readonly Shape[]>> = {
  7: [
    [1, 1, 7],
    [1, 2, 4],
    [2, 2, 3],
    [3, 4, 2],
    [4, 4, 1],
  ],
  4: [
    [1, 2, 4],
    [2, 4, 2],
  ],
  2: [[1, 4, 2]],
};

/**
 * Of its eighths an instance has so much at least: of those whose memory is known the least is a 1g.18gb of an H200, 16,384 of 17,971 MiB.
 */
const USABLE_RATIO = 0.91;

/** A model of GPU, as far as sizes depend on it. */
export interface WholeGpu {
  readonly memoryBytes: number;
  /** Undefined where it is not known to be cut. */
  readonly slices: number | undefined;
  /** Memory of instances that were seen, by profile. */
  readonly seen: ReadonlyMap<string, number>;
}

/** All sizes of a model, smallest first, the whole GPU last. */
export function sizesOf({ memoryBytes, slices: wholeSlices, seen }: WholeGpu): Size[] {
  const parts = (SHAPES[wholeSlices ?? 0] ?? []).map(([slices, eighths, countMax]): Size => {
    const nominal = Math.floor((memoryBytes * eighths) / 8);
    const profile = migProfileOf({
      name: undefined,
      slices,
      memoryBytes: nominal,
      gpuMemoryBytes: memoryBytes,
    });
    const usable = seen.get(profile) ?? Math.floor(nominal * USABLE_RATIO);
    return { profile, slices, wholeSlices: wholeSlices!, eighths, memoryBytes: usable, countMax };
  });
  const whole = wholeSlices ?? 1;
  return [
    ...parts,
    { profile: undefined, slices: whole, wholeSlices: whole, eighths: 8, memoryBytes, countMax: 1 },
  ];
}

/** What a job made of a device. */
export interface DeviceUse {
  /** The most memory that was used, bytes. */
  readonly memoryPeakBytes: number;
  /** 95th percentile of SM activity, as a part of the whole GPU. */
  readonly smP95: number;
}

/** Memory that a job may want beyond what it was seen to use. */
const MEMORY_RESERVE = 1.2;
/** Up to so much of its SMs a smaller size may be busy. */
const SM_BUSY_MAX = 0.9;

/** Whether a size would have done. The whole GPU always does: that was there. */
export function wouldDo({ profile, slices, wholeSlices, memoryBytes }: Size, use: DeviceUse): boolean {
  if (profile === undefined) return true;
  // Products of decimals miss what they are by a last digit.
  const needed = use.memoryPeakBytes * MEMORY_RESERVE - 1;
  return needed <= memoryBytes && use.smP95 <= (slices / wholeSlices) * SM_BUSY_MAX + 1e-9;
}

/** The smallest that would have done for all of these. @param sizes of `sizesOf` */
export function smallestFor(sizes: readonly Size[], uses: readonly DeviceUse[]): Size {
  return sizes.find((size) => uses.every((use) => wouldDo(size, use)))!;
}
