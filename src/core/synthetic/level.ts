/**
 * What a job does to one of its GPUs for a while. Ratios are 0..1, rates bytes per second. `engine` is the part of the
 * time in which any kernel runs, and never less than `sm`: a kernel that only waits keeps the engine busy and few SMs.
 */
export interface Level {
  readonly engine: number;
  readonly sm: number;
  readonly tensor: number;
  readonly dram: number;
  readonly fp64: number;
  readonly fp32: number;
  readonly fp16: number;
  readonly pcieTx: number;
  readonly pcieRx: number;
  readonly nvlink: number;
}

/** A level that is held for a time. */
export interface Phase extends Level {
  readonly durationUs: number;
}

/** Nothing runs. The job still holds a context. */
export const STILL: Level = {
  engine: 0,
  sm: 0,
  tensor: 0,
  dram: 0,
  fp64: 0,
  fp32: 0,
  fp16: 0,
  pcieTx: 0,
  pcieRx: 0,
  nvlink: 0,
};

/** The kernel of a collective that waits for other ranks: it spins on a few SMs and moves nothing. */
export const SPIN: Level = { ...STILL, engine: 1, sm: 0.12, dram: 0.01, fp32: 0.01 };

/** Power above an idle GPU, watts. Linear, so that the energy of jobs that share a GPU simply adds up. */
export function wattsOf(level: Level): number {
  const contextWatts = 38;
  const nvlinkWatts = level.nvlink * 1e-10;
  return (
    contextWatts + 245 * level.sm + 390 * level.tensor + 190 * level.dram + 120 * level.fp64 + nvlinkWatts
  );
}

export const SECOND_US = 1_000_000;
export const MINUTE_US = 60 * SECOND_US;

export function phase(seconds: number, level: Partial<Level>): Phase {
  return { ...STILL, ...level, durationUs: Math.round(seconds * SECOND_US) };
}
