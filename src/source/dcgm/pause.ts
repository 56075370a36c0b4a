import type { DcgmHandle } from '../../../native/dcgm.ts';
import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import type { BlankWatch } from '../../core/sampling/blank-watch.ts';
import type { DcgmSetup } from './setup.ts';
import { createPauseTeller, createPauseWatch } from '../profiling-pause.ts';

/** The first values after a pause are blank still. */
const AFTER_PAUSE_US = 2_000_000;

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
  const requests = createPauseWatch(setup.pauseDir);
  const tell = createPauseTeller(setup.node, setup.onEvent);
  let pausedHandle: DcgmHandle | undefined;
  let isPaused = false;
  const release = (): void => {
    if (pausedHandle !== undefined) setup.dcgm.call.profResume(pausedHandle);
    pausedHandle = undefined;
  };
  return {
    follow(nowUs) {
      const wanted = requests(nowUs);
      const handle = handleNow();
      if (wanted.length > 0 && handle !== undefined && pausedHandle !== handle) {
        // Pausing twice does no harm, and an engine that was restarted has forgotten it.
        if (setup.dcgm.call.profPause(handle) === dcgmStatus.OK) pausedHandle = handle;
      }
      if (wanted.length === 0) release();
      isPaused = wanted.length > 0;
      if (isPaused) blanks.excuseProfiling(nowUs + AFTER_PAUSE_US);
      tell(wanted, nowUs);
      return isPaused;
    },
    release,
  };
}
