import { expect, test } from 'vitest';
import { nodeStateOf } from '../../../schemas/slurm/node-state.ts';

/** As `sinfo -O StateComplete`, `sinfo -o %T`, `sinfo -o %t` and `scontrol show node` write them. */
const STATES: readonly (readonly [told: string, state: ReturnType<typeof nodeStateOf>])[] = [
  ['idle', 'up'],
  ['mixed', 'up'],
  ['MIXED', 'up'],
  ['allocated+completing', 'up'],
  ['mixed+planned', 'up'],
  ['mixed-', 'up'],
  ['alloc+', 'up'],
  ['idle@', 'up'],
  ['reserved', 'up'],
  ['idle+cloud', 'up'],
  ['idle+dynamic_norm', 'up'],
  ['drained', 'drained'],
  ['idle+drain', 'drained'],
  ['IDLE+DRAIN', 'drained'],
  ['allocated+drain', 'drained'],
  ['drng', 'drained'],
  ['draining@', 'drained'],
  ['maint', 'drained'],
  ['idle+maintenance+reserved+planned', 'drained'],
  ['idle$', 'drained'],
  ['mixed+power_down', 'drained'],
  ['idle!', 'drained'],
  ['down', 'down'],
  ['down*', 'down'],
  ['down+planned', 'down'],
  ['down+drain', 'down'],
  ['drained*', 'down'],
  ['idle+not_responding', 'down'],
  ['mixed+drain+not_responding', 'down'],
  ['fail*', 'down'],
  ['allocated+fail', 'down'],
  ['idle~', 'down'],
  ['idle#', 'down'],
  ['idle%', 'down'],
  ['idle^', 'down'],
  ['idle+cloud+powered_down', 'down'],
  ['mix#$', 'down'],
  ['inval', 'down'],
  ['unknown', 'unknown'],
  ['unk', 'unknown'],
  ['future', 'unknown'],
  ['', 'unknown'],
  // A word of a later version says what nobody here understands; what is out of use is so all the same.
  ['idle+frozen', 'unknown'],
  ['idle+frozen+drain', 'drained'],
  ['down+frozen', 'down'],
  ['idle?', 'unknown'],
];

test.each(STATES)('%s is %s', (told, state) => {
  expect(nodeStateOf(told)).toBe(state);
});
