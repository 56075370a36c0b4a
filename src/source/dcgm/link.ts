import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import { dcgmStatusText } from '../../../native/dcgm.ts';
import type { Dcgm, DcgmHandle, DcgmVersion } from '../../../native/dcgm.ts';
import type { EventSink } from '../../core/sampling/source.ts';
import type { EngineAddress } from './engine-address.ts';

const CONNECT_TIMEOUT_MS = 1_000;
const RETRY_FIRST_US = 500_000;
const RETRY_US_MAX = 5_000_000;

/** An engine that is stopped answers nothing: a call that took this long, ms, was one to an engine that was lost. */
const HUNG_MS = 5_000;

/** Statuses after which the connection is dead for good: an old handle never works again. */
const DEAD: ReadonlySet<number> = new Set([dcgmStatus.CONNECTION_NOT_VALID, dcgmStatus.UNINITIALIZED]);
/** Statuses after which the connection is good, but what we had made on it is gone. */
const FORGOTTEN: ReadonlySet<number> = new Set([
  dcgmStatus.NOT_CONFIGURED,
  dcgmStatus.NO_DATA,
  dcgmStatus.NOT_WATCHED,
]);

type LinkState = 'up' | 'forgotten' | 'silent' | 'down';

export interface EngineLink {
  /** The live handle, or undefined while there is none. */
  readonly handle: DcgmHandle | undefined;
  readonly engineVersion: DcgmVersion | undefined;
  /** Connects when there is no connection and it is time to try. @returns true when a new connection came up. */
  keepUp(nowUs: number): boolean;
  /**
   * Judges the status of a call that began at `nowUs`. An engine that does not answer keeps its connection: it works again
   * once it wakes, and then answers what it was asked before it fell asleep.
   */
  judge(status: number, nowUs: number, tookMs?: number): LinkState;
  close(): void;
}

/**
 * A connection to a host engine through its deaths and hangs, told by `engine_lost` and `engine_found`: one row, open
 * while the engine is away.
 */
export function openLink(options: {
  readonly dcgm: Dcgm;
  readonly address: EngineAddress;
  readonly isPersistent: boolean;
  readonly node: string;
  readonly onEvent: EventSink;
}): EngineLink {
  const { dcgm, address } = options;
  let handle: DcgmHandle | undefined;
  let engineVersion: DcgmVersion | undefined;
  let retryUs = RETRY_FIRST_US;
  let tryAtUs = -Infinity;
  let lostSinceUs: number | undefined;
  const subject = address.text;

  const tellLost = (status: number, nowUs: number): void => {
    if (lostSinceUs !== undefined) return;
    // Whole milliseconds: who watches the call from outside tells the same row while it lasts.
    lostSinceUs = Math.floor(nowUs / 1000) * 1000;
    const text = `engine ${subject} lost: ${dcgmStatusText(status)}`;
    options.onEvent({
      tsUs: lostSinceUs,
      node: options.node,
      kind: 'engine_lost',
      code: status,
      subject,
      text,
    });
  };
  const tellFound = (nowUs: number): void => {
    if (lostSinceUs === undefined) return;
    const seconds = ((nowUs - lostSinceUs) / 1e6).toFixed(1);
    const text = `engine ${subject} found again after ${seconds} s`;
    options.onEvent({
      tsUs: lostSinceUs,
      endUs: nowUs,
      node: options.node,
      kind: 'engine_found',
      subject,
      text,
    });
    lostSinceUs = undefined;
  };

  return {
    get handle() {
      return handle;
    },
    get engineVersion() {
      return engineVersion;
    },
    keepUp(nowUs) {
      if (handle !== undefined || (nowUs < tryAtUs && tryAtUs - nowUs <= RETRY_US_MAX)) return false;
      const opened = dcgm.connect(address, {
        timeoutMs: CONNECT_TIMEOUT_MS,
        isPersistent: options.isPersistent,
      });
      if (opened.status !== dcgmStatus.OK) {
        tellLost(opened.status, nowUs);
        tryAtUs = nowUs + retryUs;
        retryUs = Math.min(2 * retryUs, RETRY_US_MAX);
        return false;
      }
      handle = opened.handle;
      engineVersion = dcgm.engineVersion(handle);
      retryUs = RETRY_FIRST_US;
      tellFound(nowUs);
      return true;
    },
    judge(status, nowUs, tookMs = 0) {
      if (tookMs >= HUNG_MS) tellLost(dcgmStatus.TIMEOUT, nowUs);
      if (status === dcgmStatus.OK) {
        tellFound(nowUs + tookMs * 1000);
        return 'up';
      }
      if (FORGOTTEN.has(status)) return 'forgotten';
      tellLost(status, nowUs);
      if (!DEAD.has(status)) return 'silent';
      if (handle !== undefined) dcgm.disconnect(handle);
      handle = undefined;
      tryAtUs = nowUs;
      return 'down';
    },
    close() {
      if (handle !== undefined) dcgm.disconnect(handle);
      handle = undefined;
    },
  };
}
