import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Source } from '../core/sampling/source.ts';
import type { TickWriter } from '../core/ring/ring.ts';

/** For the chaos run: which ticks there were is known to a file that no other part of gpuledger ever touches. */
export interface WitnessSpec {
  /** A line per tick: its number, the rows it has, its time in epoch µs. */
  readonly file: string;
  /** The numbers stand in this field's column, in place of its values. */
  readonly fieldId: number;
}

/**
 * Numbers the ticks of the first lane, from life to life, and writes each number down before it hands the tick over.
 * Made for sources that bring one tick a call.
 */
export function witnessed(source: Source, { file, fieldId }: WitnessSpec): Source {
  // Read with the first tick: the source before this one may still be sampling when this one is opened.
  let sequence: number | undefined;
  return {
    ...source,
    sample(lane, tick, nowUs) {
      if (lane.index !== 0) {
        source.sample(lane, tick, nowUs);
        return;
      }
      const column = lane.fields.findIndex((field) => field.id === fieldId);
      const answered: number[] = [];
      const writer: TickWriter = {
        setRow: (device, tsUs) => {
          answered.push(device);
          tick.setRow(device, tsUs);
        },
        set: (device, index, value) => {
          tick.set(device, index, value);
        },
        next: () => tick.next(),
      };
      source.sample(lane, writer, nowUs);
      sequence ??= existsSync(file) ? lastNumber(readFileSync(file, 'latin1')) : 0;
      sequence += 1;
      for (const device of answered) tick.set(device, column, sequence);
      appendFileSync(file, `${sequence} ${answered.length} ${nowUs}\n`);
    },
  };
}

function lastNumber(text: string): number {
  const lines = text.trimEnd().split('\n');
  return Number(lines.at(-1)?.split(' ')[0] ?? 0);
}
