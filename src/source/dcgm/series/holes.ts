import { dcgmStatus } from '../../../../native/dcgm-layout.ts';
import { entityGroup } from '../../../../native/dcgm-record.ts';
import type { DcgmRecord } from '../../../../native/dcgm-record.ts';
import { sampleState } from '../../../core/sampling/sample-state.ts';
import type { LaneJoin } from '../lane-join.ts';
import { PULL_OVERLAP_US, type Puller } from '../pull.ts';
import type { HistoryReader } from '../reader.ts';
import type { Session } from '../session.ts';
import type { DcgmSetup, LaneReader } from '../setup.ts';

/**
 * An engine never samples a series sooner than its interval, so that a step of less than two hides nothing, however its
 * stamps jitter. It drifts slow: this is two, less what a stamp may be off.
 */
const HIDING_INTERVALS = 1.9;
const FILL_EVERY_US = 1_000_000;
/** Series that are asked for at once while polls come in time: then a long step was the engine's and hides little. */
const SERIES_MAX = 16;
/** Kept samples that are fetched at once, of 31 bytes each. */
const RECORDS_MAX = 200_000;
/** The history of instances comes for all of them and all their fields at once, or not at all. */
const INSTANCES_EVERY_US = 5_000_000;

/** Finds where a series of a lane steps over samples that the engine kept, and fetches these, a series at a time. */
export class LaneHoles {
  readonly #setup: Pick<DcgmSetup, 'devices'>;
  readonly #joined: LaneJoin;
  readonly #history: HistoryReader;
  readonly #puller: Puller;
  readonly #isOpen: Uint8Array;
  readonly #open: number[] = [];
  /** What the last `fill` took: µs of this thread's CPU, and requests. */
  spentUs = 0;
  requests = 0;
  #readAtUs = -Infinity;
  #filledAtUs = -Infinity;
  #instancesAtUs = -Infinity;

  constructor(setup: Pick<DcgmSetup, 'devices'>, joined: LaneJoin, history: HistoryReader, puller: Puller) {
    this.#setup = setup;
    this.#joined = joined;
    this.#history = history;
    this.#puller = puller;
    this.#isOpen = new Uint8Array(setup.devices.length * joined.lane.fields.length);
  }

  /** What is kept comes before what is newest: a series with a hole waits for its turn, a second at most. */
  isOpen(at: number): boolean {
    return this.#isOpen[at] === 1;
  }

  /** From where on kept samples are still to be fetched; Infinity where none are. */
  get openSinceUs(): number {
    const { join, lane } = this.#joined;
    const columns = lane.fields.length;
    return this.#open.reduce(
      (sinceUs, at) => Math.min(sinceUs, join.watermarkUs(Math.floor(at / columns), at % columns)),
      Infinity,
    );
  }

  /** Looks at a reading before it is taken, and fetches what is due. @returns dcgmReturn_t */
  fill(session: Session, reader: LaneReader, nowUs: number, engineNowUs: number): number {
    const isLate = nowUs - this.#readAtUs > HIDING_INTERVALS * this.#joined.lane.intervalMs * 1000;
    this.#readAtUs = nowUs;
    this.spentUs = 0;
    this.requests = 0;
    this.#find(reader);
    if (this.#open.length === 0) return dcgmStatus.OK;
    if (nowUs >= this.#filledAtUs && nowUs - this.#filledAtUs < FILL_EVERY_US) return dcgmStatus.OK;
    this.#filledAtUs = nowUs;
    const before = process.threadCpuUsage();
    const status = this.#fetch(session, isLate ? Infinity : SERIES_MAX, nowUs, engineNowUs);
    const { user, system } = process.threadCpuUsage(before);
    this.spentUs = user + system;
    return status;
  }

  #find(reader: LaneReader): void {
    const { join, lane, stamps } = this.#joined;
    const hidingUs = HIDING_INTERVALS * lane.intervalMs * 1000;
    const columns = lane.fields.length;
    for (let device = 0; device < this.#setup.devices.length; device += 1) {
      for (let column = 0; column < columns; column += 1) {
        const at = device * columns + column;
        if (reader.states[at] === sampleState.missing || stamps.isFrozen(at) || this.#isOpen[at] === 1)
          continue;
        const watermarkUs = join.watermarkUs(device, column);
        if (watermarkUs === -Infinity || reader.tsUs[at]! - watermarkUs <= hidingUs) continue;
        this.#isOpen[at] = 1;
        this.#open.push(at);
      }
    }
  }

  /** The series that there is no room for are let go: their newest value counts, and what lies before is a hole. */
  #fetch(session: Session, seriesMax: number, nowUs: number, engineNowUs: number): number {
    const { join, lane } = this.#joined;
    const columns = lane.fields.length;
    const open = this.#open.splice(0);
    this.#isOpen.fill(0);
    let records = 0;
    let oldestInstanceUs = Infinity;
    for (const at of open) {
      const device = Math.floor(at / columns);
      const column = at % columns;
      const sinceUs = join.watermarkUs(device, column) + 1;
      const { entity } = this.#setup.devices[device]!;
      if (entity.group !== entityGroup.gpu) {
        oldestInstanceUs = Math.min(oldestInstanceUs, sinceUs);
        continue;
      }
      if (this.requests >= seriesMax) continue;
      if (records >= RECORDS_MAX) {
        this.#isOpen[at] = 1;
        this.#open.push(at);
        continue;
      }
      this.requests += 1;
      const add = (record: DcgmRecord): void => {
        records += 1;
        this.#joined.addRecord(device, column, record, engineNowUs);
      };
      const status = this.#history.read(session.handle, entity.id, lane.fields[column]!.id, sinceUs, add);
      if (status !== dcgmStatus.OK && status !== dcgmStatus.NOT_WATCHED) return status;
    }
    // While polls come in time an instance's long step is taken as it is.
    if (oldestInstanceUs === Infinity || seriesMax !== Infinity) return dcgmStatus.OK;
    return this.#fetchInstances(session, oldestInstanceUs, nowUs, engineNowUs);
  }

  #fetchInstances(session: Session, sinceUs: number, nowUs: number, engineNowUs: number): number {
    if (nowUs >= this.#instancesAtUs && nowUs - this.#instancesAtUs < INSTANCES_EVERY_US)
      return dcgmStatus.OK;
    this.#instancesAtUs = nowUs;
    const ids = new Set(this.#joined.lane.fields.map(({ id }) => id));
    const watches = session.watches.filter(
      ({ entities, fieldIds }) =>
        entities.some(({ group }) => group !== entityGroup.gpu) && fieldIds.some((id) => ids.has(id)),
    );
    return this.#puller.pull({ ...session, watches }, sinceUs - PULL_OVERLAP_US, engineNowUs);
  }
}
