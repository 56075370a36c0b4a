/** Goal: whatever somebody is called is one part of an address, and comes back from it as it was. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linksFrom } from '../../src/report/page/links.ts';

const HOST = 'http://127.0.0.1:8470';

describe('addresses', () => {
  const links = linksFrom('/node/n1/8470/');
  test.each<[string, string]>([
    [links.fleet, '/node/n1/8470/'],
    [links.queries, '/node/n1/8470/queries'],
    [links.jobs(), '/node/n1/8470/jobs'],
    [links.jobs({ user: 'ada', state: '', account: undefined }), '/node/n1/8470/jobs?user=ada'],
    [links.job('4217_3'), '/node/n1/8470/job/4217_3'],
    [
      links.job('1', { cluster: 'b', submittedUs: 1e15, run: 0 }),
      '/node/n1/8470/job/1?cluster=b&submitted=2001-09-09T01%3A46%3A40.000000Z&run=0',
    ],
    [links.user('..'), '/node/n1/8470/jobs'],
    [links.node('a/../../b'), '/node/n1/8470/node/a%2F..%2F..%2Fb'],
    [links.query('idle-now', { at: '-1h' }), '/node/n1/8470/queries/idle-now?at=-1h'],
  ])('%s', (link, expected) => {
    expect(link).toBe(expected);
  });

  test('of any name lead to this server, and give the name back', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 1 }),
        fc.string({ unit: 'binary' }),
        (name, value) => {
          const url = new URL(`${HOST}${links.jobs({ name: value })}`);
          expect([url.origin, url.pathname]).toEqual([HOST, '/node/n1/8470/jobs']);
          expect(url.searchParams.get('name') ?? '').toBe(value);
          if (name === '.' || name === '..') return;
          const user = new URL(`${HOST}${links.user(name)}`);
          expect(user.origin + user.search + user.hash).toBe(HOST);
          expect(decodeURIComponent(user.pathname.slice('/node/n1/8470/user/'.length))).toBe(name);
        },
      ),
    );
  });
});
