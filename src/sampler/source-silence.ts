import type { Lane } from '../core/fields/lane.ts';
import type { Tell } from '../core/base/notice.ts';
import type { SourceSpec } from '../source/open-source.ts';
import type { Sampler } from './sampler.ts';

/** Watches from outside the sampling thread for a call of the source that does not come back. */
export interface SilenceWatch {
  /** Says once when a call has lasted 5 s, and once when it is over; the gap is then told by who samples. */
  look(): void;
  /** When sampling has been stopped: a call that still lasts becomes a gap, since nobody will be there at its end. */
  stopped(nowUs: number): void;
}

const TELL_AFTER_MS = 5_000;
const STUCK_MS = 2_000;

export function watchSilence(options: {
  readonly sampler: Pick<Sampler, 'control' | 'devices'>;
  readonly lanes: readonly Lane[];
  readonly source: SourceSpec;
  readonly tell: Tell;
}): SilenceWatch {
  const { sampler, lanes, source, tell } = options;
  let toldSinceMs = 0;
  return {
    look() {
      const { callSinceMs } = sampler.control;
      if (toldSinceMs !== 0 && callSinceMs !== toldSinceMs) {
        const sentence = `the source answers again after ${secondsSince(toldSinceMs)} s`;
        tell({ level: 'info', code: 'source.back', sentence });
        toldSinceMs = 0;
      }
      if (callSinceMs === 0 || toldSinceMs !== 0 || Date.now() - callSinceMs < TELL_AFTER_MS) return;
      toldSinceMs = callSinceMs;
      const sentence = `the source has not answered for ${secondsSince(callSinceMs)} s: nothing is sampled meanwhile`;
      tell({ level: 'warn', code: 'source.silent', sentence });
    },
    stopped(nowUs) {
      const { callSinceMs } = sampler.control;
      if (callSinceMs === 0 || Date.now() - callSinceMs < STUCK_MS || keepsSamples(source)) return;
      for (const { name } of lanes) {
        const sentence = `lane ${name}: the source did not answer until the collector was stopped`;
        const row = {
          tsUs: callSinceMs * 1000,
          endUs: nowUs,
          kind: 'gap',
          subject: name,
          text: sentence,
        } as const;
        const events = sampler.devices.map(({ node, uuid }) => ({ ...row, node, gpu: uuid }));
        tell({ level: 'debug', code: 'source.cut_off', sentence, lane: name, events });
      }
    },
  };
}

/** What a host engine sampled meanwhile is fetched by the next life, which tells what is missing then. */
function keepsSamples(source: SourceSpec): boolean {
  return source.name === 'dcgm' && source.engine !== undefined && source.engine !== 'embedded';
}

function secondsSince(ms: number): string {
  return ((Date.now() - ms) / 1000).toFixed(1);
}
