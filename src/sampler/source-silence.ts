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
  /** The call that was told, by the stamp of its tick; 0 for none. */
  let toldTickUs = 0;
  let silentMs = 0;
  return {
    look() {
      const { callMs, callTickUs } = sampler.control;
      if (toldTickUs !== 0 && callTickUs !== toldTickUs) {
        const sentence = `the source answers again after ${seconds(silentMs)} s`;
        tell({ level: 'info', code: 'source.back', sentence });
        toldTickUs = 0;
      }
      silentMs = callMs;
      if (toldTickUs !== 0 || callMs < TELL_AFTER_MS) return;
      toldTickUs = callTickUs;
      const sentence = `the source has not answered for ${seconds(callMs)} s: nothing is sampled meanwhile`;
      tell({
        level: 'warn',
        code: 'source.silent',
        sentence,
        events: lostEngine(source, sampler, callTickUs),
      });
    },
    stopped(nowUs) {
      const { callMs, callTickUs } = sampler.control;
      if (callMs < STUCK_MS || hostEngineOf(source) !== undefined) return;
      for (const { name } of lanes) {
        const sentence = `lane ${name}: the source did not answer until the collector was stopped`;
        const row = {
          tsUs: callTickUs,
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
  tickUs: number,
): readonly NoticeEvent[] {
  const subject = hostEngineOf(source);
  if (subject === undefined) return [];
  const text = `engine ${subject} lost: it does not answer`;
  // Whole milliseconds, as the source has it.
  const tsUs = Math.floor(tickUs / 1000) * 1000;
  return [{ tsUs, node: devices[0]!.node, kind: 'engine_lost', subject, text }];
}

/** A host engine samples on; what it sampled meanwhile is fetched by the next life, which tells what is missing then. */
function hostEngineOf(source: SourceSpec): string | undefined {
  return source.name === 'dcgm' && source.engine !== 'embedded' ? source.engine : undefined;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
