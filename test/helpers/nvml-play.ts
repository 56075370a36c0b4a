import type { GpuEvent } from '../../src/core/sampling/event.ts';
import type { SampledLane, Source } from '../../src/core/sampling/source.ts';
import { openNvmlSource } from '../../src/source/nvml/nvml.ts';
import type { NvmlOptions } from '../../src/source/nvml/options.ts';
import type { Fake } from './fakes.ts';
import { createRowSink } from './row-sink.ts';
import type { RowSink, SunkRow } from './row-sink.ts';

/** Epoch µs at which the virtual clock of a test begins. */
export const START = 1_800_000_000_000_000;

/** One source on a fake libnvidia-ml whose clock stands still but for the ticks. */
export interface NvmlPlay {
  readonly events: GpuEvent[];
  readonly of: (kind: GpuEvent['kind']) => GpuEvent[];
  readonly open: (lanes: readonly SampledLane[], options?: Partial<NvmlOptions>) => Source;
  /** Ticks a lane at its interval, the fake's clock going along. */
  readonly play: (lane: SampledLane, ticks: number, sink?: RowSink) => RowSink;
  readonly wait: (us: number) => void;
  readonly reset: () => void;
  readonly close: () => void;
}

export function createNvmlPlay(fake: Fake): NvmlPlay {
  const events: GpuEvent[] = [];
  let source: Source | undefined;
  const wait = (us: number): void => {
    fake.set('clock_us', fake.get('clock_us') + us);
  };
  return {
    events,
    of: (kind) => events.filter((event) => event.kind === kind),
    open(lanes, options = {}) {
      const { path } = fake;
      const openedUs = fake.get('clock_us');
      const onEvent = (event: GpuEvent): void => {
        events.push(event);
      };
      source = openNvmlSource(
        {
          node: 'n1',
          lanes,
          library: path,
          openedUs,
          isWatchingEvents: false,
          kernelLog: '/dev/null',
          onEvent,
          ...options,
        },
        () => fake.get('clock_us') / 1000,
      );
      return source;
    },
    play(lane, ticks, sink = createRowSink()) {
      if (source === undefined) throw new Error('nothing is open');
      for (let n = 0; n < ticks; n += 1) {
        wait(lane.intervalMs * 1000);
        source.sample(lane, sink, fake.get('clock_us'));
        sink.next();
      }
      return sink;
    },
    wait,
    reset() {
      fake.reset();
      fake.set('clock_us', START);
      events.length = 0;
    },
    close() {
      source?.close();
      source = undefined;
    },
  };
}

/** Value of a field in a row of `lane`. */
export function cell(lane: SampledLane, row: SunkRow, fieldId: number): number {
  const column = lane.fields.findIndex(({ id }) => id === fieldId);
  const value = row.values[column];
  if (value === undefined) throw new Error(`no value of field ${fieldId}`);
  return value;
}
