import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { besideSums } from '../../../src/core/queue/beside.ts';
import type { AskedJobs, AskedSpan, HadSpan } from '../../../src/core/queue/had-and-asked.ts';
import { requestSizeOf, spreadOf } from '../../../src/core/queue/waits.ts';

const SIZES = [1, 2, 4, 8];
const had = (cell: number, fromUs: number, toUs: number, gpus = 1): HadSpan => ({ cell, fromUs, toUs, gpus });
const job = (gpus: number, nodes = 1, jobs = 1, models?: readonly number[]): AskedJobs => ({
  ...{ gpus, nodes, jobs, models },
});
const asked = (fromUs: number, toUs: number, ...jobs: AskedJobs[]): AskedSpan => ({
  fromUs,
  toUs,
  asked: jobs,
});

describe('GPUs beside a queue', () => {
  test.each<[string, readonly AskedJobs[], number]>([
    ['nobody waits', [], 0],
    ['one that fits', [job(2)], 2],
    ['one that fits on the whole of it', [job(4)], 4],
    ['one that is too large for a node', [job(5)], 0],
    ['one over two nodes', [job(4, 2)], 4],
    ['one over two nodes, of which only one has enough', [job(6, 2)], 0],
    ['more than there are', [job(1, 1, 50)], 6],
    ['small ones beside a large one', [job(1), job(5)], 1],
    // Two GPUs are on a node on which three do not fit.
    ['many of three', [job(3, 1, 9)], 4],
    ['of a model that is not free', [job(1, 1, 1, [1])], 0],
    ['of a model that is', [job(3, 1, 1, [0, 1])], 3],
  ])('%s', (_what, jobs, gpus) => {
    const sums = besideSums(
      [had(0, 0, 100, 4), had(1, 0, 100, 2)],
      [0, 0, 1],
      [asked(10, 30, ...jobs)],
      SIZES,
    );
    expect(sums.besideUs).toBe(gpus * 20);
    expect(sums.fitsUs).toBe(gpus > 0 ? 20 : 0);
    expect(sums.hadUs).toBe(600);
    expect(sums.usableUs).toEqual([600, 600, 400, 0]);
  });

  test('are none where nothing is had', () => {
    expect(besideSums([], [0], [asked(0, 9, job(1))], [1])).toEqual({
      ...{ hadUs: 0, hadAskedUs: 0, usableUs: [0], besideUs: 0, fitsUs: 0 },
    });
  });

  test('are those of every moment on its own', () => {
    const END = 60;
    const modelOfCell = [0, 0, 1];
    const time = fc
      .tuple(fc.nat(END), fc.nat(END))
      .map(([a, b]) => ({ fromUs: Math.min(a, b), toUs: Math.max(a, b) }));
    const span = fc
      .tuple(time, fc.nat(2), fc.integer({ min: 1, max: 3 }))
      .map(([one, cell, gpus]): HadSpan => ({ ...one, cell, gpus }));
    const jobs = fc.record({
      jobs: fc.integer({ min: 1, max: 3 }),
      gpus: fc.integer({ min: 1, max: 8 }),
      nodes: fc.integer({ min: 1, max: 3 }),
      models: fc.option(fc.uniqueArray(fc.nat(1), { minLength: 1 }), { nil: undefined }),
    });
    const polls = fc.uniqueArray(fc.nat(END), { maxLength: 8 }).chain((times) => {
      const edges = times.toSorted((a, b) => a - b);
      const pairs = edges.slice(1).map((toUs, at) => ({ fromUs: edges[at]!, toUs }));
      return fc
        .array(fc.array(jobs, { maxLength: 4 }), { minLength: pairs.length, maxLength: pairs.length })
        .map((all) => pairs.map((pair, at): AskedSpan => ({ ...pair, asked: all[at]! })));
    });
    fc.assert(
      fc.property(fc.array(span, { maxLength: 12 }), polls, (spans, queue) => {
        let [hadUs, hadAskedUs, besideUs, fitsUs] = [0, 0, 0, 0];
        const usableUs = SIZES.map(() => 0);
        for (let us = 1; us <= END; us += 1) {
          const isAt = (one: { fromUs: number; toUs: number }): boolean => one.fromUs < us && us <= one.toUs;
          const free = modelOfCell.map((_, cell) =>
            spans.filter((one) => one.cell === cell && isAt(one)).reduce((sum, { gpus }) => sum + gpus, 0),
          );
          hadUs += free.reduce((sum, gpus) => sum + gpus, 0);
          if (queue.some(isAt)) hadAskedUs += free.reduce((sum, gpus) => sum + gpus, 0);
          for (const [at, size] of SIZES.entries())
            for (const gpus of free) usableUs[at]! += gpus - (gpus % size);
          const fitting = (queue.find(isAt)?.asked ?? []).filter(({ gpus, nodes, models }) => {
            const need = Math.ceil(gpus / nodes);
            return (
              free.filter((have, cell) => have >= need && (models?.includes(modelOfCell[cell]!) ?? true))
                .length >= nodes
            );
          });
          const reachable = free.reduce((sum, gpus, cell) => {
            const isUsed = fitting.some(
              (one) =>
                gpus >= Math.ceil(one.gpus / one.nodes) && (one.models?.includes(modelOfCell[cell]!) ?? true),
            );
            return sum + (isUsed ? gpus : 0);
          }, 0);
          const beside = Math.min(
            reachable,
            fitting.reduce((sum, one) => sum + one.gpus * one.jobs, 0),
          );
          besideUs += beside;
          if (beside > 0) fitsUs += 1;
        }
        expect(besideSums(spans, modelOfCell, queue, SIZES)).toEqual({
          ...{ hadUs, hadAskedUs, usableUs, besideUs, fitsUs },
        });
      }),
      { numRuns: 400 },
    );
  });
});

describe('waits', () => {
  test('by the nearest rank', () => {
    expect(spreadOf([])).toBeUndefined();
    expect(spreadOf([7])).toEqual({ jobs: 1, medianUs: 7, p95Us: 7 });
    expect(spreadOf([4, 1, 3, 2])).toEqual({ jobs: 4, medianUs: 2, p95Us: 4 });
    expect(spreadOf(Array.from({ length: 100 }, (_, at) => 100 - at))).toEqual({
      jobs: 100,
      medianUs: 50,
      p95Us: 95,
    });
  });

  test.each([
    [1, '1'],
    [2, '2-4'],
    [4, '2-4'],
    [5, '5-8'],
    [8, '5-8'],
    [9, '9+'],
    [4096, '9+'],
  ])('of a request for %i GPUs are of the class %s', (gpus, size) => {
    expect(requestSizeOf(gpus)).toBe(size);
  });
});
