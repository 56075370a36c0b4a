import { DEVICE_COUNT, FIELD_COUNT } from '../filled-ring.ts';
import type { Bench } from '../measurement.ts';
import { measureRendering } from './rendering.ts';
import { measureTickSpacing } from './tick-spacing.ts';

export const exporterBench: Bench = {
  name: 'exporter',
  about: `a scrape of ${DEVICE_COUNT} GPUs x ${FIELD_COUNT} fields, beside prom-client; ticks with 16 scrapers, and without`,
  async measure() {
    return [await measureRendering(), ...(await measureTickSpacing())];
  },
};
