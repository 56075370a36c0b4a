import { deserialize, serialize } from 'node:v8';
import { expect, test } from 'vitest';
import { carried, errorFrom, type CarriedError } from '../../../src/core/base/carried-error.ts';
import { OperatingError } from '../../../src/core/base/errors.ts';

/** Through a real border: what is no plain data does not pass it. */
function cross(thrown: unknown): Error {
  return errorFrom(deserialize(serialize(carried(thrown))) as CarriedError);
}

test.each([
  { code: 'source.silent', exit: 'temporary', where: 'host:5555', hints: ['wait', 'ask'] } as const,
  { code: 'source.silent', exit: 'config' } as const,
])('an operating error comes out as it went in: %o', (detail) => {
  const before = new OperatingError('it is down', detail);
  const after = cross(before);
  expect(after).toBeInstanceOf(OperatingError);
  const { message, code, exit, where, hints } = before;
  expect(after).toMatchObject({ message, code, exit, where, hints });
});

test('a defect stays a defect, with its words and the place where it is, over any number of borders', () => {
  const before = new TypeError('x is undefined');
  const after = cross(cross(before));
  expect(after).not.toBeInstanceOf(OperatingError);
  expect(after.message).toBe('x is undefined');
  expect(after.stack).toBe(before.stack);
  expect(carried(before).exit).toBeUndefined();
});

test('what is no error at all is told in its own words', () => {
  expect(cross('just text').message).toBe('just text');
});
