import type { JobContext } from './contexts.ts';

/** Where the time of a device went, in the order in which names are given: the first that fits. */
export const CAUSES = [
  'notSeen',
  'untold',
  'idleHead',
  'idleTail',
  'pause',
  'hang',
  'deviceIdle',
  'gaps',
  'waiting',
  'throttled',
  'low',
  'effective',
] as const;
export type Cause = (typeof CAUSES)[number];

/** What is no loss: work, and time of which nobody knows what it was. */
export const NOT_LOST: ReadonlySet<Cause> = new Set(['notSeen', 'untold', 'effective']);

/** Of one device: what its job did at a time, or what it did itself while the job worked. */
export type DeviceContext = JobContext | 'deviceIdle' | 'throttled' | 'work';

/** Sums over the samples of a device in one context. Of each, joules go as the time goes. */
export interface ContextSums {
  /** Σ dt. */
  readonly all: Amount;
  /** Σ dt over which the engine's activity was known. */
  readonly known: Amount;
  /** Σ engine activity·dt. */
  readonly busy: Amount;
  /** What of it had few of the SMs busy. */
  readonly low: Amount;
  /** What of it had few of the SMs busy and moved nothing: a kernel that waits. */
  readonly spin: Amount;
  /** Σ SM activity·dt, µs, over the time in which the engine's activity was known. */
  readonly smUs: number;
}

/** µs of device time, and the energy of it. */
export interface Amount {
  readonly us: number;
  readonly joules: number;
}

interface DeviceTime {
  /** What its causes add up to, whole µs. */
  readonly ownedUs: number;
  readonly contexts: ReadonlyMap<DeviceContext, ContextSums>;
  /** For how long samples speak; where those of the engine's lane speak for less, the rest is not told. */
  readonly seenUs: number;
  /** How long it waited for others of the job while that worked; undefined where there are none. */
  readonly waitingUs: number | undefined;
}

/**
 * Where the owned time of one device went. A sample at its begin speaks for time of before it too, so that Σ dt may be more than
 * what was owned: then all parts are made smaller alike.
 * @returns whole µs that add up to `ownedUs`, without causes of no time
 */
export function causesOf({ ownedUs, contexts, seenUs, waitingUs }: DeviceTime): Map<Cause, Amount> {
  const told = new Map<Cause, Amount>();
  const add = (cause: Cause, us: number, joules: number): void => {
    const before = told.get(cause) ?? { us: 0, joules: 0 };
    told.set(cause, { us: before.us + us, joules: before.joules + joules });
  };
  for (const [context, sums] of contexts) {
    const whole = WHOLE[context];
    if (whole !== undefined) add(whole, sums.all.us, sums.all.joules);
    else splitWork(context, sums, waitingUs, add);
  }
  const sumUs = (): number => [...told.values()].reduce((sum, { us }) => sum + us, 0);
  if (sumUs() < seenUs) add('untold', seenUs - sumUs(), 0);
  const spokenUs = sumUs();
  if (spokenUs < ownedUs) add('notSeen', ownedUs - spokenUs, 0);
  return inWholeMicroseconds(told, ownedUs, spokenUs > ownedUs ? ownedUs / spokenUs : 1);
}

/** Contexts that name all of their time. */
const WHOLE: Readonly<Partial<Record<DeviceContext, Cause>>> = {
  head: 'idleHead',
  tail: 'idleTail',
  pause: 'pause',
  hang: 'hang',
  deviceIdle: 'deviceIdle',
};

function splitWork(
  context: DeviceContext,
  { all, known, busy, low, spin }: ContextSums,
  waitingUs: number | undefined,
  add: (cause: Cause, us: number, joules: number) => void,
): void {
  const addRest = (cause: Cause, whole: Amount, ...parts: readonly Amount[]): void => {
    const { us, joules } = parts.reduce(minus, whole);
    add(cause, us, joules);
  };
  addRest('untold', all, known);
  addRest('gaps', known, busy);
  if (context === 'low') {
    addRest('low', busy);
    return;
  }
  if (waitingUs === undefined) {
    add(context === 'throttled' ? 'throttled' : 'effective', busy.us - low.us, busy.joules - low.joules);
    addRest(context === 'throttled' ? 'throttled' : 'low', low);
    return;
  }
  // Who waits has few SMs busy, also in a sample of which it waits for a part.
  const toldUs = context === 'work' ? Math.max(waitingUs, spin.us) : spin.us;
  const waiting = takeFrom([low, minus(busy, low)], toldUs);
  addRest('waiting', waiting.taken);
  const [little, rest] = waiting.left as [Amount, Amount];
  addRest(context === 'throttled' ? 'throttled' : 'low', little);
  addRest(context === 'throttled' ? 'throttled' : 'effective', rest);
}

/** So much time, of the first as far as that goes. */
function takeFrom(amounts: readonly Amount[], us: number): { taken: Amount; left: Amount[] } {
  let taken = NOTHING;
  const left = amounts.map((amount) => {
    const own = amount.us > 0 ? scaled(amount, Math.min(1, Math.max(0, us - taken.us) / amount.us)) : NOTHING;
    taken = { us: taken.us + own.us, joules: taken.joules + own.joules };
    return minus(amount, own);
  });
  return { taken, left };
}

const NOTHING: Amount = { us: 0, joules: 0 };

/** Sums of one thing by two ways differ by so much of it. */
const ROUNDING_RATIO_MAX = 1e-9;

function minus(a: Amount, b: Amount): Amount {
  const joules = a.joules - b.joules;
  return { us: a.us - b.us, joules: Math.abs(joules) <= ROUNDING_RATIO_MAX * a.joules ? 0 : joules };
}

function scaled({ us, joules }: Amount, factor: number): Amount {
  return { us: us * factor, joules: joules * factor };
}

/** The largest takes what the rounding leaves. */
function inWholeMicroseconds(
  told: ReadonlyMap<Cause, Amount>,
  ownedUs: number,
  scale: number,
): Map<Cause, Amount> {
  const whole = new Map<Cause, Amount>();
  const left = { us: ownedUs, joules: 0 };
  for (const cause of CAUSES) {
    const { us, joules } = told.get(cause) ?? NOTHING;
    const rounded = Math.max(0, Math.round(us * scale));
    if (rounded === 0) left.joules += joules;
    else whole.set(cause, { us: rounded, joules });
    left.us -= rounded;
  }
  const largest = [...whole].reduce<[Cause, Amount] | undefined>(
    (best, one) => (best === undefined || one[1].us > best[1].us ? one : best),
    undefined,
  );
  if (largest === undefined) return whole;
  const [cause, { us, joules }] = largest;
  return whole.set(cause, { us: us + left.us, joules: joules + left.joules });
}

/** The same of a part of a device. */
export function scaledSums({ all, known, busy, low, spin, smUs }: ContextSums, factor: number): ContextSums {
  return {
    all: scaled(all, factor),
    known: scaled(known, factor),
    busy: scaled(busy, factor),
    low: scaled(low, factor),
    spin: scaled(spin, factor),
    smUs: smUs * factor,
  };
}
