/** What counts as one incident, and which XIDs are about what. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { incidentsOf, SAME_INCIDENT_US_MAX } from '../../../src/core/reliability/incidents.ts';
import { isFatalXid, XID_CLASSES, xidClassOf } from '../../../src/core/reliability/xid-classes.ts';

const MINUTE = 60e6;
const at = (minutes: number, length = 0) => ({ fromUs: minutes * MINUTE, toUs: (minutes + length) * MINUTE });

describe('incidents', () => {
  test.each([
    ['nothing', [], []],
    ['one event', [at(3)], [1]],
    [
      'events each soon after the one before, however long that goes on',
      [at(0), at(14), at(28), at(42)],
      [4],
    ],
    ['events that are far apart', [at(0), at(15.1), at(31)], [1, 1, 1]],
    ['events in any order', [at(100), at(0), at(99), at(1)], [2, 2]],
    ['one that lasts', [at(0, 60), at(20), at(70), at(90)], [3, 1]],
  ])('%s', (_, events, sizes) => {
    expect(incidentsOf(events).map((incident) => incident.length)).toEqual(sizes);
  });

  test('of instants are one more than there are long pauses between them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1 }), (minutes) => {
        const sorted = [...new Set(minutes)].sort((a, b) => a - b);
        const pauses = sorted.filter(
          (one, index) => index > 0 && one - sorted[index - 1]! > SAME_INCIDENT_US_MAX / MINUTE,
        );
        expect(incidentsOf(minutes.map((one) => at(one)))).toHaveLength(pauses.length + 1);
      }),
    );
  });
});

describe('XIDs', () => {
  test.each([
    [13, 'application', false],
    [31, 'application', false],
    [45, 'application', false],
    [48, 'memory', true],
    [63, 'memory', false],
    [64, 'memory', true],
    [74, 'link', true],
    [79, 'gpu', true],
    [94, 'memory', false],
    [95, 'memory', true],
    [119, 'gpu', true],
    [154, 'other', false],
    [undefined, 'other', false],
  ] as const)('%s is about %s', (code, name, isFatal) => {
    expect([xidClassOf(code), isFatalXid(code)]).toEqual([name, isFatal]);
  });

  test('what a program does ends no GPU', () => {
    const codes = Array.from({ length: 300 }, (_, code) => code);
    expect(
      codes.filter((code) => isFatalXid(code) && ['application', 'other'].includes(xidClassOf(code))),
    ).toEqual([]);
    expect(new Set(codes.map(xidClassOf))).toEqual(new Set(XID_CLASSES));
  });
});
