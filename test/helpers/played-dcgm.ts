import { afterEach, beforeEach } from 'vitest';
import type { GpuEvent } from '../../src/core/sampling/event.ts';
import type { Source } from '../../src/core/sampling/source.ts';
import { openDcgmSource, type DcgmOptions } from '../../src/source/dcgm/dcgm.ts';
import { loadFake, type Fake } from './fakes.ts';

/** When every test begins, epoch µs of the fake's clock. */
export const START = 1_800_000_000_000_000;

/** As a host engine was measured: samples are seen late, and the series lie apart. */
export const ENGINE_KNOBS = { store_delay_us: 3_000, phase_us: 1_700, spread_us: 20 } as const;

/** A node of the fake libdcgm on a clock of the test's, new for each test. */
export interface PlayedDcgm {
  readonly fake: Fake;
  readonly now: () => number;
  /** Opens a source, which is closed after the test. */
  readonly open: (options: Pick<DcgmOptions, 'lanes'> & Partial<DcgmOptions>) => Source;
  /** Closes one before the test ends. */
  readonly close: (source: Source) => void;
  /** What was told in this test, of one kind. */
  readonly of: (kind: GpuEvent['kind']) => GpuEvent[];
}

/** To be called at the top of a test file. @param knobs that each test begins with */
export function playedDcgm(knobs: Readonly<Record<string, number>> = {}): PlayedDcgm {
  const fake = loadFake('dcgm');
  const events: GpuEvent[] = [];
  const opened = new Set<Source>();
  const now = (): number => fake.get('clock_us');

  beforeEach(() => {
    fake.reset();
    fake.set('clock_us', START);
    for (const [knob, value] of Object.entries(knobs)) fake.set(knob, value);
    events.length = 0;
  });
  const close = (source: Source): void => {
    opened.delete(source);
    source.close();
  };
  afterEach(() => {
    for (const source of opened) close(source);
  });

  return {
    fake,
    now,
    open(options) {
      const source = openDcgmSource({
        node: 'n1',
        library: fake.path,
        openedUs: now(),
        onEvent: (event) => {
          events.push(event);
        },
        ...options,
      });
      opened.add(source);
      return source;
    },
    close,
    of: (kind) => events.filter((event) => event.kind === kind),
  };
}
