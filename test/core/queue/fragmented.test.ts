import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fragmentedByCell } from '../../../src/core/queue/fragmented.ts';
import type { AskedJobs, AskedSpan, HadSpan } from '../../../src/core/queue/had-and-asked.ts';

const job = (gpus: number, nodes = 1, models?: readonly number[]): AskedJobs => ({
  ...{ gpus, nodes, jobs: 1, models },
});

describe('free GPUs in too small pieces', () => {
  // Two nodes of a model with 4 and 2 GPUs free, one of another model with 3.
  test.each<[string, readonly AskedJobs[], readonly [number, number, number]]>([
    ['nobody waits', [], [0, 0, 0]],
    ['one fits', [job(4)], [0, 0, 0]],
    ['one asks for more than there are', [job(20)], [0, 0, 0]],
    ['one asks for as many as all nodes have together', [job(9)], [4, 2, 3]],
    ['one asks for as many as a model has', [job(6, 1, [0])], [4, 2, 0]],
    ['one asks for more than a model has', [job(4, 1, [1])], [0, 0, 0]],
    ['one would have its GPUs on two nodes', [job(6, 2, [0])], [4, 2, 0]],
    ['another one fits on one of the nodes', [job(6, 1, [0]), job(3, 1, [0])], [0, 2, 0]],
    ['another one fits everywhere', [job(6, 1, [0]), job(1)], [0, 0, 0]],
    ['another one fits on the other model', [job(6), job(3, 1, [1])], [4, 2, 0]],
  ])('%s', (_what, jobs, [first, second, third]) => {
    const spans = [4, 2, 3].map((gpus, cell): HadSpan => ({ cell, fromUs: 0, toUs: 100, gpus }));
    const asked = [{ fromUs: 10, toUs: 30, asked: jobs }];
    expect(fragmentedByCell(spans, [0, 0, 1], asked, [])).toEqual([[first * 20, second * 20, third * 20]]);
    // Periods share it out.
    expect(fragmentedByCell(spans, [0, 0, 1], asked, [5, 25])).toEqual([
      [0, 0, 0],
      [first * 15, second * 15, third * 15],
      [first * 5, second * 5, third * 5],
    ]);
  });

  test('are those of every moment on its own', () => {
    const END = 40;
    const EDGES = [7, 20, 21];
    const modelOfCell = [0, 0, 1];
    const time = fc
      .tuple(fc.nat(END), fc.nat(END))
      .map(([a, b]) => ({ fromUs: Math.min(a, b), toUs: Math.max(a, b) }));
    const span = fc
      .tuple(time, fc.nat(2), fc.integer({ min: 1, max: 3 }))
      .map(([one, cell, gpus]): HadSpan => ({ ...one, cell, gpus }));
    const jobs = fc.record({
      ...{ jobs: fc.integer({ min: 1, max: 3 }), gpus: fc.integer({ min: 1, max: 8 }) },
      nodes: fc.integer({ min: 1, max: 3 }),
      models: fc.option(fc.uniqueArray(fc.nat(1), { minLength: 1 }), { nil: undefined }),
    });
    const queue = fc
      .array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.array(jobs, { maxLength: 3 })), { maxLength: 6 })
      .map((polls) => {
        let atUs = 0;
        return polls.map(([us, asked]): AskedSpan => ({ fromUs: atUs, toUs: (atUs += us), asked }));
      });
    let found = 0;
    fc.assert(
      fc.property(fc.array(span, { maxLength: 10 }), queue, (spans, polls) => {
        const truth = [...EDGES, END].map(() => modelOfCell.map(() => 0));
        for (let us = 1; us <= END; us += 1) {
          const isAt = (one: { fromUs: number; toUs: number }): boolean => one.fromUs < us && us <= one.toUs;
          const free = modelOfCell.map((_, cell) =>
            spans.filter((one) => one.cell === cell && isAt(one)).reduce((sum, { gpus }) => sum + gpus, 0),
          );
          const waiting = polls.find(isAt)?.asked ?? [];
          const takes = ({ models = [0, 1] }: AskedJobs, cell: number): boolean =>
            models.includes(modelOfCell[cell]!);
          const holds = (one: AskedJobs, cell: number): boolean =>
            takes(one, cell) && free[cell]! * one.nodes >= one.gpus;
          const fits = (one: AskedJobs): boolean =>
            free.filter((_, cell) => holds(one, cell)).length >= one.nodes;
          const blocked = waiting.filter(
            (one) =>
              !fits(one) &&
              free.reduce((sum, gpus, cell) => sum + (takes(one, cell) ? gpus : 0), 0) >= one.gpus,
          );
          const period = EDGES.filter((edge) => edge < us).length;
          for (const [cell, gpus] of free.entries())
            if (
              blocked.some((one) => takes(one, cell)) &&
              !waiting.some((one) => fits(one) && holds(one, cell))
            )
              truth[period]![cell]! += gpus;
        }
        found += truth.flat().filter((us) => us > 0).length;
        expect(fragmentedByCell(spans, modelOfCell, polls, EDGES)).toEqual(truth);
      }),
      { numRuns: 400 },
    );
    expect(found).toBeGreaterThan(50);
  });
});
