import type { Lane } from '../core/fields/lane.ts';
import type { NoticeEvent, Tell } from '../core/base/notice.ts';
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
      tell({
        level: 'warn',
        code: 'source.silent',
        sentence,
        events: lostEngine(source, sampler, callSinceMs),
      });
    },
    stopped(nowUs) {
      const { callSinceMs } = sampler.control;
      if (callSinceMs === 0 || Date.now() - callSinceMs < STUCK_MS || hostEngineOf(source) !== undefined)
        return;
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

/** The row that the source tells as well once its call comes back; a collector that ends before has told it. */
function lostEngine(
  source: SourceSpec,
  { devices }: Pick<Sampler, 'devices'>,
  sinceMs: number,
): readonly NoticeEvent[] {
  const subject = hostEngineOf(source);
  if (subject === undefined) return [];
  const text = `engine ${subject} lost: it does not answer`;
  return [{ tsUs: sinceMs * 1000, node: devices[0]!.node, kind: 'engine_lost', subject, text }];
}

/** A host engine samples on; what it sampled meanwhile is fetched by the next life, which tells what is missing then. */
function hostEngineOf(source: SourceSpec): string | undefined {
  return source.name === 'dcgm' && source.engine !== 'embedded' ? source.engine : undefined;
}

function secondsSince(ms: number): string {
  return ((Date.now() - ms) / 1000).toFixed(1);
}
