/** How long something waited, of many: by the nearest rank. */
export interface WaitSpread {
  readonly jobs: number;
  readonly medianUs: number;
  readonly p95Us: number;
}

/** @returns undefined of none */
export function spreadOf(waitsUs: readonly number[]): WaitSpread | undefined {
  if (waitsUs.length === 0) return undefined;
  const sorted = Float64Array.from(waitsUs).sort();
  const ranked = (part: number): number => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]!;
  return { jobs: sorted.length, medianUs: ranked(0.5), p95Us: ranked(0.95) };
}

/** How many GPUs one job asks for, in classes. */
export type RequestSize = '1' | '2-4' | '5-8' | '9+';

export function requestSizeOf(gpus: number): RequestSize {
  if (gpus <= 1) return '1';
  if (gpus <= 4) return '2-4';
  return gpus <= 8 ? '5-8' : '9+';
}
