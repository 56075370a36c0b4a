import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NodeState, ToldNode } from '../../../src/core/jobs/cluster-load.ts';
import { spellsOf, type LastPoll, type NodeSpell } from '../../../src/core/jobs/node-spells.ts';

const HOUR_US = 3600e6;
const GAP_US = 150e6;
const T0_US = 1_800_000_000e6;

function told(node: string, state: NodeState, gpus = 4, reason?: string): ToldNode {
  return { node, state, slurmState: state, reason, gpus, partitions: 'gpu' };
}

/** A table with the keys of `node_states`. */
class Table {
  readonly rows = new Map<string, NodeSpell>();

  poll(nodes: readonly ToldNode[], nowUs: number): void {
    for (const spell of spellsOf(nodes, this.last(), nowUs, GAP_US))
      this.rows.set(`${spell.fromUs} ${spell.node}`, spell);
  }

  last(): LastPoll {
    const spells = new Map<string, NodeSpell>();
    for (const spell of [...this.rows.values()].sort((a, b) => a.fromUs - b.fromUs))
      spells.set(spell.node, spell);
    const ends = [...this.rows.values()].map(({ toUs }) => toUs);
    return { atUs: ends.length === 0 ? undefined : Math.max(...ends), spells };
  }

  of(node: string): NodeSpell[] {
    return [...this.rows.values()].filter((one) => one.node === node).sort((a, b) => a.fromUs - b.fromUs);
  }
}

const short = ({ fromUs, toUs, state }: NodeSpell): unknown => [
  (fromUs - T0_US) / 1e6,
  (toUs - T0_US) / 1e6,
  state,
];

describe('spells of a node', () => {
  test('a first poll speaks for no time, the next ones for the time since the one before', () => {
    const table = new Table();
    table.poll([told('n1', 'up')], T0_US);
    expect(table.of('n1').map(short)).toEqual([[0, 0, 'up']]);
    table.poll([told('n1', 'up')], T0_US + 60e6);
    table.poll([told('n1', 'up')], T0_US + 120e6);
    expect(table.of('n1').map(short)).toEqual([[0, 120, 'up']]);
    table.poll([told('n1', 'drained', 4, 'fan')], T0_US + 180e6);
    table.poll([told('n1', 'drained', 4, 'fan')], T0_US + 240e6);
    table.poll([told('n1', 'drained', 4, 'disk')], T0_US + 300e6);
    expect(table.of('n1').map(short)).toEqual([
      [0, 120, 'up'],
      [120, 240, 'drained'],
      [240, 300, 'drained'],
    ]);
  });

  test('a longer gap is time that nobody told, and a clock that was set back tells nothing', () => {
    const table = new Table();
    table.poll([told('n1', 'up')], T0_US);
    table.poll([told('n1', 'up')], T0_US + 150e6);
    table.poll([told('n1', 'up')], T0_US + 301e6);
    table.poll([told('n1', 'down')], T0_US + 200e6);
    table.poll([told('n1', 'down')], T0_US + 301e6);
    expect(table.of('n1').map(short)).toEqual([
      [0, 150, 'up'],
      [301, 301, 'up'],
    ]);
    table.poll([told('n1', 'up')], T0_US + 361e6);
    expect(table.of('n1').map(short)).toEqual([
      [0, 150, 'up'],
      [301, 361, 'up'],
    ]);
  });

  test('whole hours cut them; a node that comes is told since the poll before, one that goes not any more', () => {
    const table = new Table();
    const hourUs = Math.ceil(T0_US / HOUR_US) * HOUR_US;
    table.poll([told('n1', 'up')], hourUs - 60e6);
    table.poll([told('n1', 'up')], hourUs);
    table.poll([told('n1', 'up'), told('n2', 'up')], hourUs + 60e6);
    table.poll([told('n2', 'up')], hourUs + 120e6);
    const around = ({ fromUs, toUs }: NodeSpell): unknown => [(fromUs - hourUs) / 1e6, (toUs - hourUs) / 1e6];
    expect(table.of('n1').map(around)).toEqual([
      [-60, 0],
      [0, 60],
    ]);
    expect(table.of('n2').map(around)).toEqual([[0, 120]]);
  });

  test('add up to the time that was told, never overlap, and every moment has the state of the next poll', () => {
    const state = fc.constantFrom<NodeState>('up', 'drained', 'down', 'unknown');
    const poll = fc.record({
      afterS: fc.oneof(fc.integer({ min: 1, max: 150 }), fc.integer({ min: 0, max: 4000 })),
      states: fc.tuple(state, fc.option(state, { nil: undefined })),
    });
    fc.assert(
      fc.property(fc.nat(3600), fc.array(poll, { minLength: 1, maxLength: 80 }), (offsetS, polls) => {
        const table = new Table();
        let atUs = T0_US + offsetS * 1e6;
        /** The oracle: each second of each node on its own. */
        const truth = new Map<string, NodeState>();
        let beforeUs: number | undefined;
        for (const { afterS, states } of polls) {
          atUs += afterS * 1e6;
          const nodes = states.flatMap((one, index) => (one === undefined ? [] : [told(`n${index}`, one)]));
          if (beforeUs !== undefined && atUs - beforeUs <= GAP_US)
            for (let us = beforeUs + 1e6; us <= atUs; us += 1e6)
              for (const { node, state: now } of nodes) truth.set(`${node} ${us}`, now);
          beforeUs = atUs;
          table.poll(nodes, atUs);
          // The same once more changes nothing.
          const rows = new Map(table.rows);
          table.poll(nodes, atUs);
          expect(table.rows).toEqual(rows);
        }
        const seen = new Map<string, NodeState>();
        for (const spell of table.rows.values()) {
          expect(Math.floor(spell.fromUs / HOUR_US)).toBe(
            Math.ceil(Math.max(spell.toUs, spell.fromUs + 1) / HOUR_US) - 1,
          );
          for (let us = spell.fromUs + 1e6; us <= spell.toUs; us += 1e6) {
            const key = `${spell.node} ${us}`;
            expect(seen.has(key)).toBe(false);
            seen.set(key, spell.state);
          }
        }
        expect(new Map([...seen].sort())).toEqual(new Map([...truth].sort()));
      }),
      { numRuns: 60 },
    );
  });
});
