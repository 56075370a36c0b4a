import { reasonsIn, risenReasons } from '../fields/clock-reasons.ts';

/** What dcgm-exporter counts by itself: XIDs that were told, and samples of the reasons for which clocks are held down. */
export interface ExporterCounts {
  /** An XID that was told once; told again it is the same one. */
  readonly xid: (gpu: string, tsUs: number, code: number) => void;
  /** A sample of the mask of reasons. */
  readonly reasons: (gpu: string, tsUs: number, mask: number) => void;
  /** The last one of a device; undefined before the first. */
  readonly lastXid: (gpu: string) => number | undefined;
  /** How many of each came after a moment. */
  readonly xidsSince: (gpu: string, sinceUs: number) => ReadonlyMap<number, number>;
  /** In how many samples after a moment each reason was; undefined where there was no sample. */
  readonly reasonsSince: (gpu: string, sinceUs: number) => ReadonlyMap<string, number> | undefined;
  /** Since this began. */
  readonly xidTotals: (gpu: string) => ReadonlyMap<number, number>;
  /** How often each reason began. One that was there in the first sample had begun before. */
  readonly reasonTotals: (gpu: string) => ReadonlyMap<string, number>;
}

interface OfDevice {
  xids: { readonly tsUs: number; readonly code: number }[];
  readonly masks: { readonly tsUs: number; readonly mask: number }[];
  /** Those before are out of the window, and go when they are many. */
  firstMask: number;
  readonly xidTotals: Map<number, number>;
  readonly reasonTotals: Map<string, number>;
}

/** An XID is told again at most so much later: by the next source, of what an engine kept. */
const TOLD_AGAIN_US = 600e6;

/**
 * @param windowUs further back nobody asks
 * @param startUs XIDs of before are in no total
 */
export function createExporterCounts(windowUs: number, startUs: number): ExporterCounts {
  const known = new Map<string, OfDevice>();
  const of = (gpu: string): OfDevice => {
    let device = known.get(gpu);
    if (device === undefined) {
      device = { xids: [], masks: [], firstMask: 0, xidTotals: new Map(), reasonTotals: new Map() };
      known.set(gpu, device);
    }
    return device;
  };
  return {
    xid(gpu, tsUs, code) {
      const device = of(gpu);
      if (device.xids.some((one) => one.tsUs === tsUs && one.code === code)) return;
      const oldestUs = tsUs - Math.max(windowUs, TOLD_AGAIN_US);
      device.xids = [...device.xids.filter((one) => one.tsUs > oldestUs), { tsUs, code }];
      if (tsUs >= startUs) raise(device.xidTotals, code);
    },
    reasons(gpu, tsUs, mask) {
      const device = of(gpu);
      const { masks } = device;
      const before = masks.at(-1);
      if (before !== undefined)
        for (const { name } of risenReasons(before.mask, mask)) raise(device.reasonTotals, name);
      // A clock that was set back comes to these times once more.
      while (masks.length > 0 && masks.at(-1)!.tsUs >= tsUs) masks.pop();
      masks.push({ tsUs, mask });
      device.firstMask = Math.min(device.firstMask, masks.length - 1);
      while (masks[device.firstMask]!.tsUs <= tsUs - windowUs) device.firstMask += 1;
      if (device.firstMask <= masks.length / 2) return;
      masks.splice(0, device.firstMask);
      device.firstMask = 0;
    },
    lastXid: (gpu) => known.get(gpu)?.xids.at(-1)?.code,
    xidsSince(gpu, sinceUs) {
      const counts = new Map<number, number>();
      for (const { tsUs, code } of known.get(gpu)?.xids ?? []) if (tsUs > sinceUs) raise(counts, code);
      return counts;
    },
    reasonsSince(gpu, sinceUs) {
      const masks = known.get(gpu)?.masks ?? [];
      const first = masks.findLastIndex(({ tsUs }) => tsUs <= sinceUs) + 1;
      if (first === masks.length) return undefined;
      const counts = new Map<string, number>();
      for (const { mask } of masks.slice(first)) for (const { name } of reasonsIn(mask)) raise(counts, name);
      return counts;
    },
    xidTotals: (gpu) => known.get(gpu)?.xidTotals ?? new Map(),
    reasonTotals: (gpu) => known.get(gpu)?.reasonTotals ?? new Map(),
  };
}

function raise<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
