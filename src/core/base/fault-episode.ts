import type { OperatingError } from './errors.ts';
import type { Notice, Tell } from './notice.ts';

/** A fault that shows at every try: told once, until it is over or another one comes. */
export interface FaultEpisode {
  /** @param sentence what the fault means here; of the same fault it is told for debugging only */
  fail(fault: OperatingError, sentence: string): void;
  /** The try was a success. */
  end(): void;
}

/** @param level of what is told once */
export function createFaultEpisode(tell: Tell, level: Notice['level']): FaultEpisode {
  let told: string | undefined;
  return {
    fail({ code, message }, sentence) {
      tell({ level: message === told ? 'debug' : level, code, sentence });
      told = message;
    },
    end() {
      told = undefined;
    },
  };
}
