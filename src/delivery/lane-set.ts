import PQueue from 'p-queue';
import type { Device } from '../core/devices/device.ts';
import { energyColumnOf, type Lane } from '../core/fields/lane.ts';
import type { Ring } from '../core/ring/ring.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
import { createEncoder } from '../core/wire/encode.ts';
import type { Span } from '../disk/ledger-file.ts';
import type { JournalGap } from '../disk/ring-journal-read.ts';
import { createLaneFlush, type LaneFlush } from './flush.ts';
import type { LabelOfGpu } from './former-life.ts';
import { accountOf, type LaneAccount } from './lane-accounts.ts';
import { openLaneDelivery, type LaneDelivery, type LaneDeliveryOptions } from './lane-delivery.ts';
import type { Loss } from './delivery-place.ts';

export interface LaneSetOptions extends Omit<LaneDeliveryOptions, 'table' | 'onLost'> {
  readonly lanes: readonly Lane[];
  readonly onLost: (lane: Lane, loss: Loss) => void;
}

/** What one flush knows of the jobs. */
export interface Known {
  /** Everything up to here has been told, epoch µs. */
  readonly untilUs: number;
  /** Until when everything has been told by now: later than `untilUs` when another flush has begun. */
  readonly byNowUs: () => number;
  /** Whether what former lives stored of the ownership is known too. */
  readonly isCertain: boolean;
}

/** How long a flush may go on with what is spooled: live rows shall not wait for it. */
const REPLAY_BUDGET_MS = 2_000;

/** All lanes of a collector on their way from their rings to the store, each in a queue of its own. */
export class LaneSet {
  readonly #lanes: readonly Lane[];
  readonly #deliveries: readonly LaneDelivery[];
  readonly #queues: readonly PQueue[];
  #rings: readonly Ring[] = [];
  #flushes: readonly LaneFlush[] = [];
  #labelOf: LabelOfGpu | undefined;

  /** @throws OperatingError `state.disk` */
  static async open({ lanes, onLost, ...options }: LaneSetOptions): Promise<LaneSet> {
    const deliveries: LaneDelivery[] = [];
    for (const lane of lanes) {
      const lost = (loss: Loss): void => {
        onLost(lane, loss);
      };
      deliveries.push(await openLaneDelivery({ ...options, table: lane.table, onLost: lost }));
    }
    return new LaneSet(lanes, deliveries);
  }

  private constructor(lanes: readonly Lane[], deliveries: readonly LaneDelivery[]) {
    this.#lanes = lanes;
    this.#deliveries = deliveries;
    this.#queues = lanes.map(() => new PQueue({ concurrency: 1 }));
  }

  /** Of each lane: name and place of the ring journal that this life shall write; undefined when it is off. */
  get journals(): readonly LaneDelivery['journal'][] {
    return this.#deliveries.map(({ journal }) => journal);
  }

  /** Of each lane: where the rows of former lives ended, by device UUID. */
  get rowsBefore(): readonly ReadonlyMap<string, RowBefore>[] {
    return this.#deliveries.map(({ rowsBefore }) => rowsBefore);
  }

  /** Of each lane: rows that former lives sampled. Ask before a ring is attached. */
  get sampledBefore(): readonly number[] {
    return this.#deliveries.map((delivery) => delivery.totals().sampledRows);
  }

  /** Of each lane: gaps of lives that were cut short, which they may not have told. */
  get gapsBefore(): readonly (readonly JournalGap[])[] {
    return this.#deliveries.map(({ gapsBefore }) => gapsBefore);
  }

  /** The ring journal of this lane has failed. */
  forgetRows(lane: number): void {
    this.#deliveries[lane]!.forgetRows();
  }

  /** Whether rows of former lives of this lane are on their way to the store. */
  hasWaiting(lane: number): boolean {
    const { heldRows, spooledRows } = this.#deliveries[lane]!.totals();
    return heldRows + spooledRows > 0;
  }

  /** Names this life. */
  get life(): number {
    return Math.max(...this.#deliveries.map(({ life }) => life));
  }

  /** The rings that this life delivers, one a lane. Call it once, before the first delivery. */
  attach(rings: readonly Ring[], devices: readonly Device[], labelOf: LabelOfGpu, batchRows: number): void {
    this.#rings = rings;
    this.#labelOf = labelOf;
    this.#flushes = this.#lanes.map((lane, index) => {
      const ring = rings[index]!;
      const delivery = this.#deliveries[index]!;
      delivery.attach(ring, devices);
      return createLaneFlush({
        table: lane.table,
        ring,
        encoder: createEncoder({
          table: lane.table,
          devices,
          columns: lane.fields.map((field) => field.column),
          hasEnergyRise: energyColumnOf(lane) >= 0,
        }),
        labelOf: (device, tsUs) => labelOf(devices[device]!.uuid, tsUs),
        delivery,
        batchTicksMax: Math.max(1, Math.floor(batchRows / devices.length)),
      });
    });
  }

  /**
   * Former lives first, then what the rings hold, then, while the store takes rows, what is spooled.
   * @returns whether the store has everything of every lane
   */
  async deliver(known: Known): Promise<boolean> {
    const taken = await Promise.all(
      this.#queues.map((queue, index) => queue.add(() => this.#deliverLane(index, known))),
    );
    return taken.every(Boolean);
  }

  account(problemOf: (table: string) => string | undefined): LaneAccount[] {
    return this.#lanes.map((lane, index) =>
      accountOf(lane, this.#rings[index]!, this.#deliveries[index]!.totals(), problemOf(lane.table)),
    );
  }

  /** Samples that left their ring before it was known whose they were; undefined when there are none. */
  get uncertain(): Span | undefined {
    const spans = this.#deliveries.flatMap(({ uncertain }) => uncertain ?? []);
    if (spans.length === 0) return undefined;
    return {
      fromUs: Math.min(...spans.map(({ fromUs }) => fromUs)),
      toUs: Math.max(...spans.map(({ toUs }) => toUs)),
    };
  }

  /** All of them bear the label that is right. */
  trustLabels(): void {
    for (const delivery of this.#deliveries) delivery.trustLabels();
  }

  /** Rows that the store has not taken stay on disk for the next life. */
  close(): void {
    for (const delivery of this.#deliveries) delivery.close();
  }

  async #deliverLane(index: number, { untilUs, byNowUs, isCertain }: Known): Promise<boolean> {
    const delivery = this.#deliveries[index]!;
    await delivery.recover(this.#labelOf!, isCertain);
    const isSent = await this.#flushes[index]!.flush(untilUs, byNowUs);
    return isSent && (await delivery.replay(REPLAY_BUDGET_MS));
  }
}
