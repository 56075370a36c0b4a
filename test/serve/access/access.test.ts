import fc from 'fast-check';
import { hashSync } from 'bcryptjs';
import { describe, expect, test } from 'vitest';
import { parseAuthorization } from '../../../src/serve/access/credentials.ts';
import { hostTest } from '../../../src/serve/access/host-test.ts';
import { createPasswords } from '../../../src/serve/access/passwords.ts';
import { createSlowDown } from '../../../src/serve/access/slow-down.ts';
import { maySee } from '../../../src/serve/viewer.ts';

function basic(text: string | Buffer): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

describe('the header Authorization', () => {
  test.each([
    [basic('ada:pw'), { kind: 'basic', name: 'ada', password: 'pw' }],
    [basic('ada:p:w'), { kind: 'basic', name: 'ada', password: 'p:w' }],
    [basic('ada:'), { kind: 'basic', name: 'ada', password: '' }],
    [basic('ada:pw').replace(/=+$/, ''), { kind: 'basic', name: 'ada', password: 'pw' }],
    [basic('é:ü'), { kind: 'basic', name: 'é', password: 'ü' }],
    [basic('ada:pw').replace('Basic', 'bASIC'), { kind: 'basic', name: 'ada', password: 'pw' }],
    ['Bearer abc', { kind: 'bearer', token: 'abc' }],
    ['bearer abc=', { kind: 'bearer', token: 'abc=' }],
  ])('%j', (header, credentials) => {
    expect(parseAuthorization(header)).toEqual(credentials);
  });

  test.each([
    ...[
      '',
      'Basic',
      'Basic ',
      'Bearer',
      'Bearer a b',
      'Bearer tökén',
      'Digest username="ada"',
      'Negotiate abc',
    ],
    ...[basic('ada'), basic(':pw'), basic(''), basic('ada:p\0w'), basic('a\0da:pw'), basic('ada:pw\n')],
    ...[
      basic(Buffer.from([0x61, 0x3a, 0xff])),
      'Basic YWRhOnB3*',
      `Basic ${'A'.repeat(4096)}`,
      ' Basic YWRhOnB3',
    ],
    ...[
      'Basic YWRhOnB3, Bearer abc',
      'Basic YWRhOnB=',
      'Basic YWRhOnB3 YWRhOnB3',
      `Bearer ${'a'.repeat(4096)}`,
    ],
  ])('%j is nothing that could be checked', (header) => {
    expect(parseAuthorization(header)).toEqual({ kind: 'odd' });
  });

  test('whatever comes, one text means one name and password', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        const read = parseAuthorization(basic(text));
        if (read.kind === 'basic') expect(`${read.name}:${read.password}`).toBe(text);
      }),
    );
  });
});

describe('the header Host', () => {
  test.each([
    ['127.0.0.1', true],
    ['127.0.0.1:8470', true],
    ['127.9.9.9:1', true],
    ['[::1]:8470', true],
    ['localhost', true],
    ['LOCALHOST:99', true],
    ['localhost.', true],
    ['gpu.example.org', true],
    ['GPU.example.org:8470', true],
    ['example.org', false],
    ['gpu.example.org.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['localhost.evil.example', false],
    ['evil.example:8470', false],
    ['10.0.0.1', false],
    ['0.0.0.0', false],
    ['2130706433', false],
    ['[::]', false],
    ['::1', false],
    ['127.0.0.1@evil.example', false],
    ['evil.example#127.0.0.1', false],
    ['127.0.0.1 evil.example', false],
    ['', false],
  ])('%j is asked for here: %s', (host, isOwn) => {
    expect(hostTest('https://gpu.example.org/x/')(host)).toBe(isOwn);
  });

  test('without serve.url only this machine is', () => {
    expect(hostTest(undefined)('localhost')).toBe(true);
    expect(hostTest(undefined)('gpu.example.org')).toBe(false);
    expect(hostTest('http://[2001:db8::1]:80/')('[2001:db8::1]')).toBe(true);
  });
});

describe('passwords', () => {
  const users = new Map([['ada', { hash: hashSync('right', 5), cost: 5 }]]);

  test('are right or wrong, and the right ones remembered for minutes', async () => {
    let nowMs = 0;
    const passwords = createPasswords(() => nowMs);
    expect(await passwords.check(users, 'ada', 'wrong')).toBe('wrong');
    expect(await passwords.check(users, 'eve', 'right')).toBe('wrong');
    expect(await passwords.check(new Map(), 'eve', 'right')).toBe('wrong');
    expect(passwords.isRemembered(users, 'ada', 'right')).toBe(false);
    expect(await passwords.check(users, 'ada', 'right')).toBe('right');
    expect(passwords.isRemembered(users, 'ada', 'right')).toBe(true);
    expect(passwords.isRemembered(users, 'ada', 'wrong')).toBe(false);
    expect(passwords.isRemembered(new Map(), 'ada', 'right')).toBe(false);
    nowMs = 299_999;
    expect(passwords.isRemembered(users, 'ada', 'right')).toBe(true);
    nowMs = 300_000;
    expect(passwords.isRemembered(users, 'ada', 'right')).toBe(false);
  });

  test('that were remembered count for nothing once the file has another hash', async () => {
    const passwords = createPasswords(() => 0);
    expect(await passwords.check(users, 'ada', 'right')).toBe('right');
    const others = new Map([['ada', { hash: hashSync('other', 5), cost: 5 }]]);
    expect(passwords.isRemembered(others, 'ada', 'right')).toBe(false);
    expect(await passwords.check(others, 'ada', 'right')).toBe('wrong');
  });

  test('are checked one after the other, and no endless number waits', async () => {
    const passwords = createPasswords(() => 0);
    const verdicts = await Promise.all(
      Array.from({ length: 100 }, (_, index) => passwords.check(users, 'ada', `wrong ${index}`)),
    );
    expect(verdicts.filter((verdict) => verdict === 'wrong')).toHaveLength(33);
    expect(verdicts.filter((verdict) => verdict === 'busy')).toHaveLength(67);
  });

  test('the same one that is sent many times at once is checked once', async () => {
    const passwords = createPasswords(() => 0);
    expect(passwords.underway(users, 'ada', 'right')).toBeUndefined();
    const first = passwords.check(users, 'ada', 'right');
    const same = Array.from({ length: 100 }, () => passwords.underway(users, 'ada', 'right'));
    expect(await Promise.all([first, ...same])).toEqual(Array(101).fill('right'));
    expect(passwords.underway(users, 'ada', 'right')).toBeUndefined();
    const stranger = passwords.check(users, 'eve', 'right');
    expect(await Promise.all([stranger, passwords.underway(users, 'eve', 'right')])).toEqual([
      'wrong',
      'wrong',
    ]);
  });
});

describe('wrong tries', () => {
  test('of an address are slowed down, and come back one after the other', () => {
    let nowMs = 0;
    const slow = createSlowDown(() => nowMs);
    for (let tried = 0; tried < 10; tried += 1) expect(slow.take('10.0.0.1', 'ada')).toBe(0);
    expect(slow.take('10.0.0.1', 'ada')).toBe(10_000);
    expect(slow.take('10.0.0.1', 'bob')).toBe(10_000);
    expect(slow.take('::ffff:10.0.0.1', undefined)).toBe(10_000);
    expect(slow.take('10.0.0.2', 'ada')).toBe(0);
    nowMs = 10_000;
    expect(slow.take('10.0.0.1', 'ada')).toBe(0);
    expect(slow.take('10.0.0.1', 'ada')).toBe(10_000);
    slow.giveBack('10.0.0.1', 'ada');
    expect(slow.take('10.0.0.1', 'ada')).toBe(0);
    nowMs = 1e9;
    for (let tried = 0; tried < 10; tried += 1) expect(slow.take('10.0.0.1', 'ada')).toBe(0);
    expect(slow.take('10.0.0.1', 'ada')).toBe(10_000);
  });

  test('from one address never keep a name out from another', () => {
    let nowMs = 0;
    const slow = createSlowDown(() => nowMs);
    for (; nowMs < 3_600_000; nowMs += 500) slow.take('10.0.0.1', 'ada');
    expect(slow.take('10.0.0.2', 'ada')).toBe(0);
  });

  test('of many addresses for one name are slowed down too', () => {
    const slow = createSlowDown(() => 0);
    const taken = Array.from({ length: 200 }, (_, index) => slow.take(`10.0.0.${index}`, 'ada'));
    expect(taken.filter((waitMs) => waitMs === 0)).toHaveLength(60);
    expect(slow.take('10.0.1.1', 'bob')).toBe(0);
  });

  test.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['::1', '::2', true],
    ['fe80::1%lo', 'fe80::2', true],
  ])('of %s and %s are those of one network: %s', (one, other, isOne) => {
    const slow = createSlowDown(() => 0);
    for (let tried = 0; tried < 10; tried += 1) slow.take(one, undefined);
    expect(slow.take(other, undefined) > 0).toBe(isOne);
  });
});

test.each([
  [{ name: 'ada', isOperator: false, accounts: [] }, { user: 'ada', account: 'physics' }, true],
  [{ name: 'ada', isOperator: false, accounts: [] }, { user: 'bob', account: 'physics' }, false],
  [{ name: 'ada', isOperator: false, accounts: ['physics'] }, { user: 'bob', account: 'physics' }, true],
  [{ name: 'ada', isOperator: false, accounts: ['physics'] }, { user: 'bob', account: 'bio' }, false],
  [{ name: 'ada', isOperator: false, accounts: ['physics'] }, {}, false],
  [{ name: undefined, isOperator: false, accounts: [] }, {}, false],
  [{ name: 'carol', isOperator: true, accounts: [] }, {}, true],
] as const)('%j may see a job of %j: %s', ({ name, isOperator, accounts }, job, may) => {
  expect(maySee({ name, isOperator, accounts: new Set(accounts) }, job)).toBe(may);
});
