import type { DcgmHandle } from '../../../native/dcgm.ts';
import { dcgmStatusText } from '../../../native/dcgm.ts';
import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import { messageOf } from '../../core/base/errors.ts';
import type { BlankWatch } from '../../core/sampling/blank-watch.ts';
import type { DcgmSetup } from './setup.ts';
import { createPauseTeller, createPauseWatch, withdrawPause, type PauseRequest } from '../profiling-pause.ts';

/** The first values after a pause are blank still. */
const AFTER_PAUSE_US = 2_000_000;
const RETRY_US = 1_000_000;
/** Answers that say nothing about whether the engine can pause: it is asked again. Every other one is a refusal. */
const PASSING: ReadonlySet<number> = new Set([
  dcgmStatus.TIMEOUT,
  dcgmStatus.CONNECTION_NOT_VALID,
  dcgmStatus.UNINITIALIZED,
  dcgmStatus.IN_USE,
]);

export interface DcgmPause {
  /** Pauses or resumes the engine's profiling as the requests want it. @returns whether it is paused. */
  follow(nowUs: number): boolean;
  /** Gives the counters back to the engine: a pause of ours must not outlive us. */
  release(): void;
}

/** @param handleNow the engine, or undefined while there is none. */
export function createDcgmPause(
  setup: DcgmSetup,
  blanks: BlankWatch,
  handleNow: () => DcgmHandle | undefined,
): DcgmPause {
  const readRequests = createPauseWatch(setup.pauseDir);
  const tell = createPauseTeller(setup.node, setup.onEvent);
  let pausedHandle: DcgmHandle | undefined;
  let askedUs = -Infinity;
  let listed: readonly PauseRequest[] = [];
  /** Names of the listing that were refused, and of those requests that cannot be withdrawn. */
  const refused = new Set<string>();
  const stuck = new Set<string>();
  const release = (): void => {
    if (pausedHandle !== undefined) setup.dcgm.call.profResume(pausedHandle);
    pausedHandle = undefined;
  };
  /** Pausing twice does no harm, and an engine that was restarted has forgotten it. */
  const pause = (handle: DcgmHandle, wanted: readonly PauseRequest[], nowUs: number): void => {
    if (nowUs - askedUs < RETRY_US && nowUs >= askedUs) return;
    askedUs = nowUs;
    const status = setup.dcgm.call.profPause(handle);
    if (status === dcgmStatus.OK) pausedHandle = handle;
    else if (!PASSING.has(status)) refuse(wanted, status, nowUs);
  };
  /** A request that nobody can follow is taken back, or it would look as if it held. */
  const refuse = (wanted: readonly PauseRequest[], status: number, nowUs: number): void => {
    const problems = wanted.flatMap(({ name }) => {
      refused.add(name);
      try {
        if (setup.pauseDir !== undefined) withdrawPause(setup.pauseDir, name);
        return [];
      } catch (thrown) {
        stuck.add(name);
        return [messageOf(thrown)];
      }
    });
    const by = wanted.map((request) => request.by).join(', ');
    const fate = problems.length === 0 ? 'is withdrawn' : `cannot be withdrawn (${problems.join('; ')})`;
    const text = `this engine cannot pause profiling: it answered ${dcgmStatusText(status)}; the request of ${by} ${fate}, sampling goes on`;
    setup.onEvent({
      tsUs: nowUs,
      node: setup.node,
      kind: 'pause_refused',
      code: status,
      subject: 'profiling',
      text,
    });
  };
  return {
    follow(nowUs) {
      const requests = readRequests(nowUs);
      // What stands in the next listing was asked after that.
      if (requests !== listed) refused.clear();
      listed = requests;
      const wanted = requests.filter(({ name }) => !refused.has(name) && !stuck.has(name));
      const handle = handleNow();
      if (wanted.length === 0) release();
      else if (handle !== undefined && pausedHandle !== handle) pause(handle, wanted, nowUs);
      const isPaused = wanted.length > 0 && pausedHandle !== undefined && pausedHandle === handle;
      if (isPaused) blanks.excuseProfiling(nowUs + AFTER_PAUSE_US);
      tell(isPaused ? wanted : [], nowUs);
      return isPaused;
    },
    release,
  };
}
