import { dcgmStatus } from '../../../../native/dcgm-layout.ts';
import type { EventSink } from '../../../core/sampling/source.ts';
import type { LaneJoin } from '../lane-join.ts';
import { placeAgain, type Session, type SessionWatch } from '../session.ts';
import type { DcgmSetup } from '../setup.ts';

/** A series is judged by what it gave in so many intervals, a second at least. */
const WINDOW_INTERVALS = 10;
const WINDOW_US_MIN = 1_000_000;
/** Of the samples that were due: with fewer, its watch was changed. A busy engine jitters, and gives more than this. */
const ENOUGH = 0.6;
/** When all series are slow alike, the engine may be at fault: so many windows in a row, then the watches. */
const ALIKE_WINDOWS = 3;
const ALIKE = 0.9;
/** Profiling values that are blank for so many windows in a row are blank for good. */
const BLANK_WINDOWS = 3;
const PLACE_EVERY_US = 30_000_000;
/** How often fields that are blank for good are watched anew: some GPUs do not have them. */
const ANEW_MAX = 2;
const NAMES_MAX = 5;

interface Placed {
  readonly series: readonly number[];
  readonly why: 'slow' | 'blank';
  readonly isAlike: boolean;
  /** It has been told that placing them again does not help. */
  readonly isStayTold?: true;
}

/**
 * Looks after the watches of a lane, a series at a time. All persistent clients of an engine are one watcher to it: another
 * one that watches a field of a GPU more slowly, or unwatches it, does so to ours. What comes too slowly is watched again,
 * and once it comes at its rate it is told.
 */
export class WatchCare {
  readonly #setup: Pick<DcgmSetup, 'dcgm' | 'devices' | 'node'>;
  readonly #joined: LaneJoin;
  readonly #keepS: number;
  readonly #onEvent: EventSink;
  readonly #blankWindows: Uint8Array;
  readonly #placedAtUs = new WeakMap<SessionWatch, number>();
  readonly #anewCount = new WeakMap<SessionWatch, number>();
  #fromUs = NaN;
  #alikeWindows = 0;
  #placed: Placed[] = [];

  constructor(
    setup: Pick<DcgmSetup, 'dcgm' | 'devices' | 'node' | 'onEvent'>,
    joined: LaneJoin,
    keepS: number,
  ) {
    this.#setup = setup;
    this.#joined = joined;
    this.#keepS = keepS;
    this.#onEvent = setup.onEvent;
    this.#blankWindows = new Uint8Array(setup.devices.length * joined.lane.fields.length);
  }

  /** Begins a new window: the engine was away, or its watches are new. */
  restart(engineNowUs: number): void {
    this.#fromUs = engineNowUs;
    this.#joined.tally.clear();
  }

  /** @param upToUs the engine's clock up to which samples were read. @returns dcgmReturn_t */
  look(session: Session, upToUs: number): number {
    const intervalUs = this.#joined.lane.intervalMs * 1000;
    const elapsedUs = upToUs - this.#fromUs;
    if (!(elapsedUs >= 0)) this.restart(upToUs);
    if (!(elapsedUs >= Math.max(WINDOW_INTERVALS * intervalUs, WINDOW_US_MIN))) return dcgmStatus.OK;
    const { slow, known } = this.#slowSeries((ENOUGH * elapsedUs) / intervalUs);
    const blank = this.#blankSeries();
    const isAlike = slow.length >= ALIKE * known;
    this.#alikeWindows = slow.length > 0 && isAlike ? this.#alikeWindows + 1 : 0;
    this.#tellCured(new Set(slow), upToUs);
    this.restart(upToUs);
    const isToPlace = slow.length > 0 && (!isAlike || this.#alikeWindows >= ALIKE_WINDOWS);
    const status = isToPlace
      ? this.#place(session, { series: slow, why: 'slow', isAlike }, upToUs)
      : dcgmStatus.OK;
    if (status !== dcgmStatus.OK || blank.length === 0) return status;
    return this.#place(session, { series: blank, why: 'blank', isAlike: false }, upToUs);
  }

  /** A series that never gave anything was refused, or is none of its device. */
  #slowSeries(enough: number): { readonly slow: readonly number[]; readonly known: number } {
    const { join, lane, stamps, tally } = this.#joined;
    const columns = lane.fields.length;
    const slow: number[] = [];
    let known = 0;
    for (let at = 0; at < this.#blankWindows.length; at += 1) {
      if (join.watermarkUs(Math.floor(at / columns), at % columns) === -Infinity || stamps.isFrozen(at))
        continue;
      known += 1;
      if (tally.accepted[at]! < enough) slow.push(at);
    }
    return { slow, known };
  }

  #blankSeries(): readonly number[] {
    const { lane, tally } = this.#joined;
    const columns = lane.fields.length;
    const blank: number[] = [];
    for (let at = 0; at < this.#blankWindows.length; at += 1) {
      const isBlank =
        lane.fields[at % columns]!.isProfiling &&
        tally.blanks[at]! > 0 &&
        tally.blanks[at] === tally.accepted[at];
      this.#blankWindows[at] = isBlank ? Math.min(BLANK_WINDOWS, this.#blankWindows[at]! + 1) : 0;
      if (this.#blankWindows[at] === BLANK_WINDOWS) blank.push(at);
    }
    return blank;
  }

  #place(session: Session, placed: Placed, nowUs: number): number {
    const { why, series } = placed;
    const watches = session.watches.filter((watch) => series.some((at) => this.#isOf(watch, at)));
    let isAnyPlaced = false;
    for (const watch of watches) {
      const count = this.#anewCount.get(watch) ?? 0;
      const sincePlacedUs = nowUs - (this.#placedAtUs.get(watch) ?? -Infinity);
      // Less than none: the clock was set back.
      if (sincePlacedUs >= 0 && sincePlacedUs < PLACE_EVERY_US) continue;
      if (why === 'blank' && count >= ANEW_MAX) {
        if (count === ANEW_MAX) this.#tell(placed, 'stays', nowUs);
        this.#anewCount.set(watch, ANEW_MAX + 1);
        continue;
      }
      this.#placedAtUs.set(watch, nowUs);
      if (why === 'blank') this.#anewCount.set(watch, count + 1);
      const status = placeAgain(this.#setup.dcgm, session, watch, this.#keepS, why === 'blank');
      if (status !== dcgmStatus.OK) return status;
      this.#joined.beginWatch();
      isAnyPlaced = true;
    }
    if (isAnyPlaced) this.#note(placed, nowUs);
    return dcgmStatus.OK;
  }

  /** Series that are placed once more, and were not cured by the first time, are one episode. */
  #note(placed: Placed, nowUs: number): void {
    const former = this.#placed.find(({ series }) => series.some((at) => placed.series.includes(at)));
    if (former === undefined) {
      this.#placed.push(placed);
      return;
    }
    if (former.isStayTold !== true) this.#tell(placed, 'stays', nowUs);
    const series = [...new Set([...former.series, ...placed.series])];
    this.#placed = this.#placed.filter((each) => each !== former);
    this.#placed.push({ ...placed, series, isStayTold: true });
  }

  #isOf(watch: SessionWatch, at: number): boolean {
    const { fields } = this.#joined.lane;
    const { entity } = this.#setup.devices[Math.floor(at / fields.length)]!;
    return (
      watch.fieldIds.includes(fields[at % fields.length]!.id) &&
      watch.entities.some(({ group, id }) => group === entity.group && id === entity.id)
    );
  }

  /** What was watched again and came at its rate since, or has values since. */
  #tellCured(slow: ReadonlySet<number>, nowUs: number): void {
    this.#placed = this.#placed.filter((placed) => {
      const isCured = placed.series.every((at) =>
        placed.why === 'slow' ? !slow.has(at) : this.#blankWindows[at] === 0,
      );
      if (isCured) this.#tell(placed, 'cured', nowUs);
      return !isCured && placed.why === 'slow';
    });
  }

  #tell({ series, why, isAlike }: Placed, how: 'cured' | 'stays', tsUs: number): void {
    const { lane } = this.#joined;
    const columns = lane.fields.length;
    const devices = [...new Set(series.map((at) => Math.floor(at / columns)))];
    const names = [...new Set(series.map((at) => lane.fields[at % columns]!.column))];
    const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
    const what = `${names.slice(0, NAMES_MAX).join(', ')}${more} of ${devices.length === 1 ? 'one device' : `${devices.length} devices`}`;
    const { node, uuid } = this.#setup.devices[devices[0]!]!.device;
    this.#onEvent({
      tsUs,
      node,
      ...(devices.length === 1 ? { gpu: uuid } : {}),
      kind: 'rewatched',
      subject: lane.name,
      text: `${what} ${sentenceOf(why, how, isAlike)}`,
    });
  }
}

function sentenceOf(why: Placed['why'], how: 'cured' | 'stays', isAlike: boolean): string {
  if (why === 'slow' && how === 'stays')
    return 'keep coming too seldom or not at all, though their watch is placed again every 30 s: another client of the engine changes it again and again, or the engine is too busy; end that client, or sample fewer fields or at a longer interval';
  if (why === 'slow') {
    const who = isAlike
      ? 'another client of the engine had changed their watch, or the engine was too busy'
      : 'another client of the engine had changed their watch';
    return `came too seldom or not at all: ${who}; it was placed again`;
  }
  return how === 'cured'
    ? 'were blank at every sample: the engine had lost its baseline for them; they were watched anew'
    : 'stay blank though they were watched anew: where the GPU has them and nobody has paused profiling, a restart of the engine cures that';
}
