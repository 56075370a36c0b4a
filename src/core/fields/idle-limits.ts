import { IDLE_SM_RATIO } from './well-known.ts';

/** Below one of these parts of the SMs a device counts as idle. Rollups hold the idle time by each: an answer is exact by any of them. */
export const IDLE_LIMITS = [0.01, 0.02, 0.05, 0.1, 0.2] as const;
export type IdleLimit = (typeof IDLE_LIMITS)[number];

/** Below which SM activity a device counts as idle. */
export interface IdleLimits {
  readonly smRatio: IdleLimit;
  /** Other limits, by the beginning of a model's name. */
  readonly models?: ReadonlyMap<string, IdleLimit>;
}

export const USUAL_IDLE_LIMITS: IdleLimits = { smRatio: IDLE_SM_RATIO };

/** The beginning of a model's name that decides its limit, the longest of several; undefined where the limit of all does. */
export function beginningOf({ models }: IdleLimits, model: string | undefined): string | undefined {
  return [...(models?.keys() ?? [])]
    .filter((beginning) => model?.startsWith(beginning))
    .toSorted((a, b) => b.length - a.length)[0];
}

/** The limit of a model: that of the longest beginning of its name, else the one of all. */
export function idleLimitOf(limits: IdleLimits, model: string | undefined): IdleLimit {
  const beginning = beginningOf(limits, model);
  return beginning === undefined ? limits.smRatio : limits.models!.get(beginning)!;
}
