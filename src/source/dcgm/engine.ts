import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import { NVML_FIELDS } from '../../../native/nvml-tables.ts';
import { BlankWatch } from '../../core/sampling/blank-watch.ts';
import type { TickWriter } from '../../core/ring/ring.ts';
import { AHEAD_US_MAX } from '../../core/sampling/series-to-ticks.ts';
import type { SampledLane, Source } from '../../core/sampling/source.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { watchIntervalMs } from '../../core/sampling/watch-plan.ts';
import { createDcgmEventReader } from './events.ts';
import { LaneHoles } from './series/holes.ts';
import { createLaneJoin } from './lane-join.ts';
import type { LaneJoin } from './lane-join.ts';
import type { EngineLink } from './link.ts';
import type { EngineAddress } from './engine-address.ts';
import { createDcgmPause } from './pause.ts';
import { checkDevices, createMigWatch } from './mig-watch.ts';
import { createPuller, PULL_OVERLAP_US } from './pull.ts';
import { createHistoryReader, TCP_RECORDS_MAX } from './reader.ts';
import { RouteCost } from './series/route-cost.ts';
import { describeRefusals, openSession } from './session.ts';
import type { Session } from './session.ts';
import { laneReaderOf, noteRefused } from './setup.ts';
import type { DcgmSetup, LaneReader } from './setup.ts';
import { WatchCare } from './series/watch-care.ts';

export type EngineRoute = 'poll' | 'pull';

export interface EngineOptions {
  readonly link: EngineLink;
  readonly address: EngineAddress;
  readonly route: EngineRoute;
  /** Somebody asked for this route: it is not changed for a cheaper one. */
  readonly isRouteAsked: boolean;
  readonly pullIntervalMs: number;
  readonly keepS: number;
  /** See `DcgmOptions`. */
  readonly resumeFromUs: readonly ReadonlyMap<string, number>[] | undefined;
  readonly groupName: string;
}

/** Of the interval: an engine drifts slow, so polling at exactly the interval both repeats and misses. */
const POLL_FACTOR = 0.85;
/** A session whose watches are gone is not made anew more often than this. */
const RESTART_EVERY_US = 5_000_000;
/** DCGM hands on NVML's own stamps for these. */
const NVML_STAMPED: ReadonlySet<number> = new Set(NVML_FIELDS.map(([dcgmId]) => dcgmId));

/** Stamps of all newest rows. */
function stampsOf(lastUs: readonly ReadonlyMap<string, number>[] | undefined): number[] {
  return (lastUs ?? []).flatMap((stamps) => [...stamps.values()]);
}

interface LaneState {
  readonly joined: LaneJoin;
  readonly holes: LaneHoles;
  readonly care: WatchCare;
  reader: LaneReader | undefined;
  /** Epoch µs of our clock when a reading last brought something new. */
  freshUs: number;
  /** By the engine's clock: when newest values were last read. */
  polledUpToUs: number;
}

/**
 * A host engine as source: the engine samples by its own clock and keeps what it sampled; we read it often enough, or
 * late and at once, and lose nothing that it keeps.
 */
export function openEngine(setup: DcgmSetup, options: EngineOptions): Source {
  return new EngineSource(setup, options);
}

class EngineSource implements Source {
  readonly name = 'dcgm';
  readonly devices;
  readonly #setup: DcgmSetup;
  readonly #options: EngineOptions;
  readonly #isTcp: boolean;
  readonly #blanks: BlankWatch;
  readonly #lanes: readonly LaneState[];
  readonly #pause;
  readonly #events;
  readonly #mig;
  readonly #puller;
  readonly #cost: RouteCost;
  #route: EngineRoute;
  #session: Session | undefined;
  #sessionUs = -Infinity;
  #refused = '';
  /** The engine's clock less ours. */
  #skewUs: number;
  /** By the engine's clock; Infinity while it is away, which its own event tells. */
  #answeringSinceUs = Infinity;
  #pulledAtUs = -Infinity;
  #pulledUpToUs: number;
  #resumeFromUs: readonly ReadonlyMap<string, number>[] | undefined;

  constructor(setup: DcgmSetup, options: EngineOptions) {
    this.#setup = setup;
    this.#options = options;
    this.#isTcp = !options.address.isUnixSocket;
    this.#route = options.route;
    this.#resumeFromUs = options.resumeFromUs;
    this.#pulledUpToUs = setup.openedUs;
    this.devices = setup.devices.map(({ device }) => device);
    this.#blanks = new BlankWatch(this.devices, setup.onEvent);
    this.#skewUs = toldSkewUs(setup);
    const joins = setup.lanes.map((lane) => this.#joinOf(lane));
    this.#puller = createPuller(setup, joins, this.#isTcp);
    const history = createHistoryReader(setup.dcgm, this.#isTcp);
    this.#lanes = joins.map((joined) => ({
      joined,
      holes: new LaneHoles(setup, joined, history, this.#puller),
      care: new WatchCare(setup, joined, options.keepS),
      reader: undefined,
      freshUs: -Infinity,
      polledUpToUs: setup.openedUs,
    }));
    const fieldCount = setup.lanes.reduce((sum, { fields }) => sum + fields.length, 0);
    this.#cost = new RouteCost(fieldCount * setup.devices.length, options.pullIntervalMs);
    this.#pause = createDcgmPause(setup, this.#blanks, () => options.link.handle);
    this.#events = createDcgmEventReader({
      ...setup,
      isTcp: this.#isTcp,
      sinceUs: stampsOf(options.resumeFromUs).reduce((a, b) => Math.max(a, b), 0) || setup.openedUs,
    });
    this.#mig = createMigWatch(setup);
    // Opening fails loudly when the engine refuses us; later on the link comes and goes.
    this.#startSession(setup.openedUs);
  }

  describe(): string {
    const { address, link, pullIntervalMs } = this.#options;
    const how =
      this.#route === 'pull'
        ? `pulling every ${pullIntervalMs / 1000} s`
        : `polling at ${POLL_FACTOR} of the interval`;
    const engine = `DCGM ${link.engineVersion?.text ?? '?'} host engine at ${address.text}, ${how}`;
    return [engine, ...describeRefusals(this.#session?.refused ?? new Map())].join('; ');
  }

  callIntervalMs(lane: SampledLane): number {
    if (this.#route === 'pull') return Math.max(this.#options.pullIntervalMs, lane.intervalMs);
    // A series that is stamped when it is read is read at the interval.
    const isStampedByReading = this.#lanes[lane.index]!.joined.areAllFrozen;
    return isStampedByReading || watchIntervalMs(lane, this.#setup.lanes) < lane.intervalMs
      ? lane.intervalMs
      : lane.intervalMs * POLL_FACTOR;
  }

  sample(lane: SampledLane, tick: TickWriter, nowUs: number): void {
    const state = this.#lanes[lane.index]!;
    if (this.#options.link.keepUp(nowUs)) {
      this.#session = undefined;
      this.#sessionUs = -Infinity;
      if (!checkDevices(this.#setup, this.#options.address))
        this.#options.link.judge(dcgmStatus.CONNECTION_NOT_VALID, nowUs);
    }
    if (this.#options.link.handle === undefined) this.#answeringSinceUs = Infinity;
    else this.#fetch(state, nowUs);
    // Between two pulls nothing is known of what came since: a series that was not fetched is not silent.
    const seenUs = this.#route === 'pull' ? this.#pulledUpToUs : nowUs + this.#skewUs;
    state.joined.join.emit(seenUs, tick, this.#answeringSinceUs);
  }

  finish(lane: SampledLane, tick: TickWriter): void {
    this.#lanes[lane.index]!.joined.join.emitWhole(tick);
  }

  close(): void {
    this.#pause.release();
    this.#options.link.close();
    this.#setup.dcgm.shutdown();
    this.#setup.dcgm.since.close();
  }

  #fetch(state: LaneState, nowUs: number): void {
    if (this.#session === undefined) this.#restartSession(nowUs);
    const session = this.#session;
    if (session === undefined) return;
    this.#pause.follow(nowUs);
    const { link } = this.#options;
    const beganMs = performance.now();
    const status = this.#route === 'pull' ? this.#pull(session, nowUs) : this.#poll(state, session, nowUs);
    let outcome = link.judge(status, nowUs, performance.now() - beganMs);
    if (outcome === 'up') outcome = link.judge(this.#events.read(session, nowUs), nowUs);
    if (outcome === 'up' && this.#mig.hasChanged(session.handle, nowUs)) outcome = 'forgotten';
    if (outcome === 'forgotten' || outcome === 'down') this.#session = undefined;
    if (outcome === 'silent' || outcome === 'down') {
      this.#answeringSinceUs = Infinity;
      for (const { care } of this.#lanes) care.restart(nowUs + this.#skewUs);
    } else if (this.#answeringSinceUs === Infinity) this.#answeringSinceUs = nowUs + this.#skewUs;
  }

  #readerOf(state: LaneState, session: Session): LaneReader {
    const recordsMax = this.#isTcp ? TCP_RECORDS_MAX : Infinity;
    state.reader ??= laneReaderOf(this.#setup, session, state.joined.lane, recordsMax);
    return state.reader;
  }

  #poll(state: LaneState, session: Session, nowUs: number): number {
    const { joined, holes } = state;
    const before = process.threadCpuUsage();
    const reader = this.#readerOf(state, session);
    const status = reader.read(session.handle);
    // A library newer than the engine: it refuses every read of newest values, and answers those by time.
    if (status === dcgmStatus.FUNCTION_NOT_FOUND) {
      this.#changeRoute(
        'pull',
        'the library is newer than the engine, which refuses to read newest values',
        nowUs,
      );
      return this.#pull(session, nowUs);
    }
    if (status !== dcgmStatus.OK) return status;
    this.#skewUs = joined.stamps.clockOffsetUs(reader, nowUs) ?? this.#skewUs;
    const engineNowUs = nowUs + this.#skewUs;
    const { accepted } = joined.join.counts;
    const filled = holes.fill(session, reader, nowUs, engineNowUs);
    joined.addReading(reader, engineNowUs, (at) => holes.isOpen(at));
    this.#cost.add(cpuUsSince(before), holes.spentUs, holes.requests);
    state.polledUpToUs = engineNowUs;
    if (this.#cost.isPullCheaper(nowUs) && this.#mayPull)
      this.#changeRoute('pull', 'polling has cost clearly more than pulling would', nowUs);
    if (joined.join.counts.accepted > accepted) state.freshUs = nowUs;
    // Calls succeed and nothing new comes: whoever removed our watches left the old values readable.
    else if (this.#isSilent(state, nowUs)) return dcgmStatus.NOT_WATCHED;
    // A series that waits for what was kept is not slow.
    if (filled !== dcgmStatus.OK || holes.openSinceUs !== Infinity) return filled;
    return state.care.look(session, engineNowUs);
  }

  #pull(session: Session, nowUs: number): number {
    const engineNowUs = nowUs + this.#skewUs;
    const { pullIntervalMs } = this.#options;
    if (nowUs >= this.#pulledAtUs && nowUs - this.#pulledAtUs < pullIntervalMs * 900) return dcgmStatus.OK;
    const sinceUs = Math.min(this.#pulledUpToUs, engineNowUs) - PULL_OVERLAP_US;
    let status = this.#puller.pull(session, sinceUs, engineNowUs);
    if (status !== dcgmStatus.OK) return status;
    this.#pulledAtUs = nowUs;
    this.#pulledUpToUs = engineNowUs;
    for (const { care } of this.#lanes)
      if (status === dcgmStatus.OK) status = care.look(session, engineNowUs);
    return status === dcgmStatus.OK ? this.#findFrozenStamps(session, nowUs) : status;
  }

  /** No pull by time finds a series whose stamps stand still in the past: then newest values are read instead. */
  #findFrozenStamps(session: Session, nowUs: number): number {
    for (const state of this.#lanes) {
      const reader = this.#readerOf(state, session);
      const status = reader.read(session.handle);
      if (status === dcgmStatus.FUNCTION_NOT_FOUND) return dcgmStatus.OK;
      if (status !== dcgmStatus.OK) return status;
      this.#skewUs = state.joined.stamps.clockOffsetUs(reader, nowUs) ?? this.#skewUs;
      state.joined.addReading(reader, nowUs + this.#skewUs);
      state.polledUpToUs = nowUs + this.#skewUs;
      if (state.joined.stamps.frozenCount > 0 && this.#route === 'pull')
        this.#changeRoute('poll', 'stamps stand still, and no pull by time finds such samples', nowUs);
    }
    return dcgmStatus.OK;
  }

  /** No pull finds a series whose stamps stand still, and a route that was asked for is kept where it works. */
  get #mayPull(): boolean {
    return !this.#options.isRouteAsked && this.#lanes.every(({ joined }) => joined.stamps.frozenCount === 0);
  }

  /** What polling had yet to fetch, of any lane, the first pull brings. */
  #changeRoute(route: EngineRoute, why: string, nowUs: number): void {
    this.#route = route;
    this.#pulledUpToUs = Math.min(
      ...this.#lanes.flatMap(({ holes, polledUpToUs }) => [holes.openSinceUs, polledUpToUs]),
    );
    const { address, pullIntervalMs } = this.#options;
    const text = `samples of ${address.text} are ${route === 'pull' ? `pulled every ${pullIntervalMs / 1000} s` : 'polled'} from now on: ${why}`;
    const { node, onEvent } = this.#setup;
    onEvent({ tsUs: nowUs, node, kind: 'route_changed', subject: address.text, text });
  }

  #restartSession(nowUs: number): void {
    if (nowUs >= this.#sessionUs && nowUs - this.#sessionUs < RESTART_EVERY_US) return;
    try {
      this.#startSession(nowUs);
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      // It died again between two calls, or refuses us now: the link tries anew with growing patience.
      this.#options.link.judge(dcgmStatus.CONNECTION_NOT_VALID, nowUs);
    }
  }

  /** Places groups and watches on the engine as it is now, and fetches what it kept from before, if anything. */
  #startSession(nowUs: number): void {
    const { link, groupName, keepS, address } = this.#options;
    const handle = link.handle;
    if (handle === undefined) return;
    this.#sessionUs = nowUs;
    const { dcgm, devices, lanes } = this.#setup;
    const plan = { devices, lanes, keepS, isTicked: false, name: groupName, where: address.text };
    const session = openSession(dcgm, handle, plan);
    this.#session = session;
    for (const { joined } of this.#lanes) joined.beginWatch();
    noteRefused(this.#setup, session, this.#blanks);
    // A reader knows nothing of a session but the fields that it refused; its buffers are large, so it is kept.
    const refused = [...session.refused.keys()].join();
    if (refused !== this.#refused) for (const state of this.#lanes) state.reader = undefined;
    this.#refused = refused;
    for (const { care } of this.#lanes) care.restart(nowUs + this.#skewUs);
    this.#resume(session, nowUs);
  }

  /** Once, at the first session: what came after the newest rows of the last life the engine still has. */
  #resume(session: Session, nowUs: number): void {
    const lastUs = this.#resumeFromUs;
    this.#resumeFromUs = undefined;
    const oldestUs = Math.min(...stampsOf(lastUs));
    if (oldestUs === Infinity) return;
    const engineNowUs = nowUs + this.#skewUs;
    this.#puller.pull(session, Math.min(oldestUs, engineNowUs) - PULL_OVERLAP_US, engineNowUs);
    for (const [index, { joined }] of this.#lanes.entries()) {
      for (const [device, { uuid }] of this.devices.entries()) {
        const tsUs = lastUs?.[index]?.get(uuid);
        // A row from the future is of a clock that was set back since. A device without any begins now.
        if (tsUs !== undefined && tsUs <= engineNowUs + AHEAD_US_MAX) joined.join.resumeAfter(device, tsUs);
        else joined.join.skipTo(device, engineNowUs);
      }
    }
  }

  /** Whether a lane has had no new sample for so long that its watches cannot stand. */
  #isSilent({ freshUs, joined }: LaneState, nowUs: number): boolean {
    return (
      nowUs - Math.max(freshUs, this.#sessionUs) >
      Math.max(RESTART_EVERY_US, 3 * joined.lane.intervalMs * 1000)
    );
  }

  #joinOf(lane: SampledLane): LaneJoin {
    return createLaneJoin({
      lane,
      devices: this.devices,
      watchIntervalMs: watchIntervalMs(lane, this.#setup.lanes),
      isPolled: this.#route === 'poll',
      nvmlStamped: NVML_STAMPED,
      blanks: this.#blanks,
      onEvent: this.#setup.onEvent,
    });
  }
}

/** Listing the devices asked the engine for its clock; 0 when it is near ours, or was not told. */
function toldSkewUs({ dcgm, openedUs }: DcgmSetup): number {
  const toldUs = dcgm.since.engineNowUs;
  return toldUs === 0 || Math.abs(toldUs - openedUs) <= AHEAD_US_MAX ? 0 : toldUs - openedUs;
}

function cpuUsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return user + system;
}
