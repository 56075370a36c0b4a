import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { TickWriter } from '../../src/core/ring/ring.ts';
import type { Source } from '../../src/core/sampling/source.ts';

/** `fb_used_bytes`: a number without a fraction, which a tick's number can replace. */
const FIELD_ID = 252;

/**
 * Numbers the ticks of the first lane, from life to life, in place of the values of field 252, and writes each number down
 * before it hands the tick over: so which ticks there were is known to a file that gpuledger never touches.
 * Made for sources that bring one tick a call.
 * @param file gets a line for each tick: its number, the rows it has, its time in epoch µs
 */
export function witnessed(source: Source, file: string): Source {
  // Read with the first tick: the source before this one may still be sampling when this one is opened.
  let sequence: number | undefined;
  return {
    ...source,
    sample(lane, tick, nowUs) {
      if (lane.index !== 0) {
        source.sample(lane, tick, nowUs);
        return;
      }
      const column = lane.fields.findIndex((field) => field.id === FIELD_ID);
      sequence ??= existsSync(file) ? lastNumber(readFileSync(file, 'latin1')) : 0;
      sequence += 1;
      const number = sequence;
      let rows = 0;
      const writer: TickWriter = {
        setRow: (device, tsUs) => {
          rows += 1;
          tick.setRow(device, tsUs);
        },
        set: (device, index, value) => {
          tick.set(device, index, index === column ? number : value);
        },
        next: () => tick.next(),
      };
      source.sample(lane, writer, nowUs);
      appendFileSync(file, `${number} ${rows} ${nowUs}\n`);
    },
  };
}

function lastNumber(text: string): number {
  const lines = text.trimEnd().split('\n');
  return Number(lines.at(-1)?.split(' ')[0] ?? 0);
}
