import type { OwnershipChange } from './interval.ts';

/** Samples of one device in (fromUs, toUs], epoch µs, whose label may have become another one. */
export interface RelabelWindow {
  readonly gpu: string;
  readonly fromUs: number;
  readonly toUs: number;
}

/** How far back a late fact is followed into the samples, µs. Reports go by `gpu_ownership` and are right beyond it too. */
export const RELABEL_AGE_US_MAX = 24 * 3600 * 1e6;
/** More windows than this of one device become one. The samples between them are then read too, and keep their labels. */
const WINDOWS_PER_DEVICE_MAX = 256;

/**
 * Time whose samples change owner or owner set by this change: all of an interval that is new or has another share, else what
 * lies between its old and new end.
 */
export function affectedWindow({ interval, previousEndUs, isShareNew }: OwnershipChange): RelabelWindow {
  const { gpu, startUs, endUs } = interval;
  if (previousEndUs === null) return { gpu, fromUs: startUs, toUs: endUs };
  if (isShareNew) return { gpu, fromUs: startUs, toUs: Math.max(previousEndUs, endUs) };
  return { gpu, fromUs: Math.min(previousEndUs, endUs), toUs: Math.max(previousEndUs, endUs) };
}

/**
 * Facts that came after their samples had been labelled, until the stored rows say the same. What lies back further than
 * `windowUs` stays as it was and is counted: `gpu_ownership` is right all the same, and reports go by it.
 */
export class RelabelBacklog {
  readonly #windowUs: number;
  #windows = new Map<string, RelabelWindow[]>();
  #tooLate = 0;

  constructor(windowUs: number) {
    this.#windowUs = windowUs;
  }

  /** Facts whose samples, or a part of them, were too old to be labelled again. */
  get tooLateCount(): number {
    return this.#tooLate;
  }

  get isEmpty(): boolean {
    return this.#windows.size === 0;
  }

  /**
   * @param labelledUntilUs samples up to here may already bear the old label; later ones get the new one by themselves.
   */
  record(changes: readonly OwnershipChange[], labelledUntilUs: number): void {
    const horizonUs = labelledUntilUs - this.#windowUs;
    for (const change of changes) {
      const { gpu, fromUs, toUs } = affectedWindow(change);
      if (fromUs >= Math.min(toUs, labelledUntilUs)) continue;
      if (fromUs < horizonUs) this.#tooLate += 1;
      this.#add({ gpu, fromUs: Math.max(fromUs, horizonUs), toUs: Math.min(toUs, labelledUntilUs) });
    }
  }

  /** Hands all windows out; add those again that could not be worked off. */
  take(): RelabelWindow[] {
    const windows = [...this.#windows.values()].flat();
    this.#windows = new Map();
    return windows;
  }

  add(windows: readonly RelabelWindow[]): void {
    for (const window of windows) this.#add(window);
  }

  #add(window: RelabelWindow): void {
    if (window.fromUs >= window.toUs) return;
    const known = this.#windows.get(window.gpu) ?? [];
    const apart = known.filter((other) => other.toUs < window.fromUs || window.toUs < other.fromUs);
    const touching = known.filter((other) => !apart.includes(other));
    const isFull = apart.length >= WINDOWS_PER_DEVICE_MAX;
    const merged = hullOf([window, ...touching, ...(isFull ? apart : [])]);
    this.#windows.set(window.gpu, isFull ? [merged] : [...apart, merged]);
  }
}

function hullOf(windows: readonly [RelabelWindow, ...RelabelWindow[]]): RelabelWindow {
  return {
    gpu: windows[0].gpu,
    fromUs: Math.min(...windows.map((window) => window.fromUs)),
    toUs: Math.max(...windows.map((window) => window.toUs)),
  };
}
