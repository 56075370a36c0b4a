import type { SampledLane, Source } from '../../src/core/sampling/source.ts';
import type { Fake } from './fakes.ts';
import type { RowSink } from './row-sink.ts';

/** Calls every lane at the rhythm that the source asks for, the fake's clock going along, for so many seconds. */
export function playSource(
  fake: Fake,
  source: Source,
  seconds: number,
  sinks: readonly RowSink[],
  lanes: readonly SampledLane[],
): void {
  const endUs = fake.get('clock_us') + seconds * 1_000_000;
  const due = lanes.map(() => fake.get('clock_us'));
  for (;;) {
    const at = Math.min(...due);
    if (at > endUs) break;
    fake.set('clock_us', Math.max(at, fake.get('clock_us')));
    for (const [index, each] of lanes.entries()) {
      if (due[index]! > at) continue;
      source.sample(each, sinks[index]!, fake.get('clock_us'));
      sinks[index]!.next();
      due[index]! += Math.round((source.callIntervalMs?.(each) ?? each.intervalMs) * 1000);
    }
  }
  fake.set('clock_us', endUs);
}
