/** What a person is told to do about a store that is not there: where it is decides who can start it. */
import { describe, expect, test } from 'vitest';
import { connectionFailure, noTimelyAnswer } from '../../src/questdb/failure.ts';

const REFUSED = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
const START = 'start one:   gpuledger questdb start';

describe.each([
  ['http://127.0.0.1:9000', undefined],
  ['http://localhost:9000', undefined],
  ['http://[::1]:9000', undefined],
  ['http://127.9.9.9:9000', undefined],
  ['http://store.example.org:9000', 'store.example.org'],
  ['https://10.0.0.7:443', '10.0.0.7'],
  ['http://[2001:db8::7]:9000', '[2001:db8::7]'],
])('of %s', (where, host) => {
  test.each([
    ['refused', connectionFailure(REFUSED, where)],
    ['silent', noTimelyAnswer(where, 1000, undefined)],
  ])('%s', (_, { hints }) => {
    const ask = `ask those who run QuestDB on ${host ?? ''}: does it run, may this machine reach that port?`;
    expect(hints).toContain(host === undefined ? START : ask);
    expect(hints).not.toContain(host === undefined ? ask : START);
    expect(hints).toContain('or name one: QDB_CLIENT_CONF="http::addr=host:9000;"');
  });
});
