import { isIPv6 } from 'node:net';

/** So many wrong tries at once, and then one in so long. */
interface Allowance {
  readonly tries: number;
  readonly perTryMs: number;
}

/** Where the tries come from. */
const OF_ADDRESS: Allowance = { tries: 10, perTryMs: 10_000 };
/** More than one address has, so that nobody keeps another one out from there. It holds against tries from many. */
const OF_NAME: Allowance = { tries: 60, perTryMs: 2000 };
/** Of each kind. Those that were heard of longest ago are forgotten. */
const HELD_MAX = 10_000;

/** Holds down how often wrong credentials can be tried. Nobody is kept out for longer than a try takes to come back. */
export interface SlowDown {
  /** Takes a try. @returns 0 where it may be made, otherwise ms until there is one */
  take(address: string, name: string | undefined): number;
  /** It was no wrong one. */
  giveBack(address: string, name: string | undefined): void;
}

/** @param nowMs monotonic */
export function createSlowDown(nowMs: () => number): SlowDown {
  const addresses = createBuckets(OF_ADDRESS, nowMs);
  const names = createBuckets(OF_NAME, nowMs);
  return {
    take(address, name) {
      const key = placeOf(address);
      const waitMs = Math.max(addresses.waitMs(key), name === undefined ? 0 : names.waitMs(name));
      if (waitMs > 0) return waitMs;
      addresses.add(key, -1);
      if (name !== undefined) names.add(name, -1);
      return 0;
    },
    giveBack(address, name) {
      addresses.add(placeOf(address), 1);
      if (name !== undefined) names.add(name, 1);
    },
  };
}

interface Buckets {
  /** 0 where there is a try. */
  waitMs(key: string): number;
  add(key: string, tries: number): void;
}

function createBuckets({ tries, perTryMs }: Allowance, nowMs: () => number): Buckets {
  const held = new Map<string, { left: number; atMs: number }>();
  const leftOf = (key: string): number => {
    const bucket = held.get(key);
    if (bucket === undefined) return tries;
    return Math.min(tries, bucket.left + (nowMs() - bucket.atMs) / perTryMs);
  };
  return {
    waitMs: (key) => Math.max(0, Math.ceil((1 - leftOf(key)) * perTryMs)),
    add(key, more) {
      const left = Math.min(tries, leftOf(key) + more);
      held.delete(key);
      if (left < tries) held.set(key, { left, atMs: nowMs() });
      if (held.size > HELD_MAX) held.delete(held.keys().next().value!);
    },
  };
}

/** An address of IPv4; of IPv6 the network of 64 bits, all of which one host may have. */
function placeOf(address: string): string {
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after].slice(0, 4).join(':');
}
