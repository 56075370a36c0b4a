import type { OwnershipChange } from './interval.ts';

/** Samples of one device in (fromUs, toUs], epoch µs, whose label may have become another one. */
export interface RelabelWindow {
  readonly gpu: string;
  readonly fromUs: number;
  readonly toUs: number;
}

/** A window that lies before what is remembered. */
export interface OlderWindow extends RelabelWindow {
  /** Told for the first time in this life: a former one may have labelled its samples. */
  readonly isFirstTold: boolean;
}

/**
 * So long after its end a stay is remembered, µs: most late facts concern no other, and are followed into the samples at once.
 * What an older one changes is found out from the store, which takes longer.
 */
export const REMEMBERED_US = 24 * 3600 * 1e6;
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

/** Facts that came after their samples had been labelled, until the stored rows say the same. */
export class RelabelBacklog {
  readonly #windows = new WindowSet();
  readonly #olderFirstTold = new WindowSet();
  readonly #olderChanged = new WindowSet();

  get isEmpty(): boolean {
    return this.#windows.isEmpty;
  }

  /** Whether something was told of a time that is not remembered. */
  get hasOlder(): boolean {
    return !this.#olderFirstTold.isEmpty || !this.#olderChanged.isEmpty;
  }

  /**
   * @param changes of one telling: what ends in it the stay that began in it was told with it
   * @param labelledUntilUs samples up to here may already bear the old label; later ones get the new one by themselves.
   * @param rememberedFromUs the stays of before may be forgotten
   */
  record(changes: readonly OwnershipChange[], labelledUntilUs: number, rememberedFromUs: number): void {
    const firstTold = new Set<string>();
    for (const change of changes) {
      const { gpu, fromUs, toUs } = affectedWindow(change);
      const endUs = Math.min(toUs, labelledUntilUs);
      const { startUs, jobId } = change.interval;
      const stay = `${startUs} ${gpu} ${jobId}`;
      if (change.previousEndUs === null) firstTold.add(stay);
      const older = firstTold.has(stay) ? this.#olderFirstTold : this.#olderChanged;
      older.add({ gpu, fromUs, toUs: Math.min(endUs, rememberedFromUs) });
      this.#windows.add({ gpu, fromUs: Math.max(fromUs, rememberedFromUs), toUs: endUs });
    }
  }

  /** Hands all windows of remembered time out; add those again that could not be worked off. */
  take(): RelabelWindow[] {
    return this.#windows.take();
  }

  add(windows: readonly RelabelWindow[]): void {
    for (const window of windows) this.#windows.add(window);
  }

  /** Whose these samples are may have become known after they were labelled. @param rememberedFromUs as for `record` */
  doubt(windows: readonly RelabelWindow[], rememberedFromUs: number): void {
    for (const { gpu, fromUs, toUs } of windows) {
      this.#olderChanged.add({ gpu, fromUs, toUs: Math.min(toUs, rememberedFromUs) });
      this.#windows.add({ gpu, fromUs: Math.max(fromUs, rememberedFromUs), toUs });
    }
  }

  /** Hands the older ones out. */
  takeOlder(): OlderWindow[] {
    return [
      ...this.#olderChanged.take().map((window) => ({ ...window, isFirstTold: false })),
      ...this.#olderFirstTold.take().map((window) => ({ ...window, isFirstTold: true })),
    ];
  }
}

/** Windows of several devices; those of one that overlap or touch are one. */
class WindowSet {
  #byGpu = new Map<string, RelabelWindow[]>();

  get isEmpty(): boolean {
    return this.#byGpu.size === 0;
  }

  take(): RelabelWindow[] {
    const windows = [...this.#byGpu.values()].flat();
    this.#byGpu = new Map();
    return windows;
  }

  add(window: RelabelWindow): void {
    if (!(window.fromUs < window.toUs)) return;
    const known = this.#byGpu.get(window.gpu) ?? [];
    const apart = known.filter((other) => other.toUs < window.fromUs || window.toUs < other.fromUs);
    const touching = known.filter((other) => !apart.includes(other));
    const isFull = apart.length >= WINDOWS_PER_DEVICE_MAX;
    const merged = hullOf([window, ...touching, ...(isFull ? apart : [])]);
    this.#byGpu.set(window.gpu, isFull ? [merged] : [...apart, merged]);
  }
}

function hullOf(windows: readonly [RelabelWindow, ...RelabelWindow[]]): RelabelWindow {
  return {
    gpu: windows[0].gpu,
    fromUs: Math.min(...windows.map((window) => window.fromUs)),
    toUs: Math.max(...windows.map((window) => window.toUs)),
  };
}
