/**
 * Compute slices that MIG can cut a GPU into, by the words of the model's name: the most instances that NVIDIA's user guide
 * gives for it. The first line that fits counts.
 */
export const WHOLE_SLICES: readonly (readonly [model: RegExp, slices: number])[] = [
  [/\bA30X?\b/, 4],
  [/\bRTX PRO 6000\b/, 4],
  [/\bRTX PRO (?:5000|4500)\b/, 2],
  [/\b(?:A100X?|A800|H20|H100|H200|H800|GH200|B200|B300|GB200|GB300)\b/, 7],
];

/**
 * Compute slices of the whole GPU, 1 to 7. The name may be that of an instance of it, `NVIDIA H200 MIG 3g.71gb`.
 * @returns undefined for a model that is not known to be cut.
 */
export function wholeSlicesOf(model: string | undefined): number | undefined {
  if (model === undefined) return undefined;
  return WHOLE_SLICES.find(([words]) => words.test(model))?.[1];
}

/**
 * Compute slices of a GPU instance, 1 to 7, by its profile: 3 of `3g.71gb`, `3g.71gb+me` and `3g`. `1c.3g.71gb` is a compute
 * instance in one of those: what is sampled and handed out is the GPU instance around it, so it is 3 too.
 * @returns undefined for what is no profile.
 */
export function instanceSlicesOf(profile: string | undefined): number | undefined {
  const slices = /^(?:[1-7]c\.)?([1-7])g(?:\.[1-9]\d*gb(?:[+-][a-z]+(?:\.[a-z]+)*)*)?$/.exec(
    profile ?? '',
  )?.[1];
  return slices === undefined ? undefined : Number(slices);
}

/**
 * The part of its GPU that an instance is, in (0, 1], by compute slices.
 * @returns undefined where profile or model is not known, or the profile is larger than the model.
 */
export function sliceRatioOf(profile: string | undefined, model: string | undefined): number | undefined {
  return ratioOfSlices(instanceSlicesOf(profile), wholeSlicesOf(model));
}

/** The same of slices that have been looked up. */
export function ratioOfSlices(slices: number | undefined, whole: number | undefined): number | undefined {
  return slices === undefined || whole === undefined || slices > whole ? undefined : slices / whole;
}

/** With this the UUID of an instance begins, whichever library tells it. */
export const INSTANCE_PREFIX = 'MIG-';

export function isInstanceName(gpu: string): boolean {
  return gpu.startsWith(INSTANCE_PREFIX);
}
