import type { ModelRates } from '../../core/costs/model-rates.ts';

/** By what a bill is reckoned: what is undefined is in no bill. */
export interface BillTerms {
  readonly timeZone: string;
  readonly currency: string | undefined;
  /** Price of an hour of a whole GPU. */
  readonly gpuHour: ModelRates | undefined;
  readonly kwhPrice: number | undefined;
  readonly pue: number | undefined;
  /** g of CO2e a kWh; `hourly`: a file tells them. */
  readonly gramsPerKwh: number | 'hourly' | undefined;
  /** Part of the price of idle tails that is given back. */
  readonly idleTailCredit: number | undefined;
}

/** The finest line: what one account and user had of one device. Whole numbers, which add up in any grouping. */
export interface BillLine {
  readonly cluster: string | undefined;
  readonly account: string | undefined;
  readonly user: string | undefined;
  readonly gpu: string;
  readonly node: string;
  readonly model: string | undefined;
  /** False of a MIG instance of which it is not known how large it is: no price is its. */
  readonly isSizeKnown: boolean;
  /** Time for which it was owned, by parts, of MIG instances by slices, µs. */
  readonly ownedUs: number;
  /** Undefined where nothing is known; of how much time it is known, by parts, µs. */
  readonly millijoules: number | undefined;
  readonly energyUs: number;
  /** CO2e in mg, undefined where nothing is known, and of which energy that is. */
  readonly milligrams: number | undefined;
  readonly carbonMillijoules: number;
  /** Idle time at the end of jobs that ended in the month, µs as `ownedUs`; never more than that. */
  readonly idleTailUs: number;
}

/** What belongs to a bill as a whole. Epoch µs. */
export interface BillHead {
  /** `2026-10`. */
  readonly month: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly terms: BillTerms;
  readonly isSynthetic: boolean;
  /** Stays of jobs of which nobody had told the end when it was reckoned: they are billed up to the end of the month. */
  readonly openStays: number;
  /** Time of devices that had an owner whom nobody could name: in no line. */
  readonly unresolvedUs: number;
  /** Jobs that ended in the month and of which it is not known how long they idled at their end; undefined without a credit. */
  readonly untoldTails: number | undefined;
  /** Hours in which energy was drawn, and of which the file of grams tells nothing. */
  readonly missingHours: number;
}

export interface Bill {
  readonly head: BillHead;
  /** In the order of `byLine`. */
  readonly lines: readonly BillLine[];
}

/** A bill as it was issued. */
export interface IssuedBill extends Bill {
  /** Made of all that is in it, and of the version before it. */
  readonly id: string;
  /** From 1 on. */
  readonly version: number;
  readonly issuedUs: number;
  /** Version of gpuledger that reckoned it. */
  readonly by: string;
}

/** Of an ended month, and of one that has not ended yet. */
export interface ReckonedBill extends Bill {
  /** Up to where it is reckoned: the end of the month, or now. */
  readonly untilUs: number;
  /** When the store first heard of an owner of a GPU; undefined where it never did. */
  readonly firstUs: number | undefined;
}

export function lineKey({ cluster, account, user, gpu, isSizeKnown, model }: BillLine): string {
  return JSON.stringify([cluster, account, user, gpu, model, isSizeKnown]);
}

/** An order that depends on nothing but what is in the lines. */
export function byLine(a: BillLine, b: BillLine): number {
  const [first, second] = [lineKey(a), lineKey(b)];
  return first < second ? -1 : Number(first > second);
}
