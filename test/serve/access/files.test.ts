import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { afterAll, describe, expect, test } from 'vitest';
import { OperatingError } from '../../../src/core/base/errors.ts';
import type { Notice } from '../../../src/core/base/notice.ts';
import { parseRoles, viewerOf } from '../../../src/serve/access/roles-file.ts';
import { readSecretFile } from '../../../src/serve/access/secret-file.ts';
import { nameOfToken, parseTokens } from '../../../src/serve/access/tokens-file.ts';
import { parseUsers } from '../../../src/serve/access/users-file.ts';
import { watchFiles } from '../../../src/serve/access/watched-files.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-access-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** What a person reads of a refusal, or nothing. */
function refusalOf(read: () => unknown): string {
  try {
    read();
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    expect([thrown.code, thrown.exit]).toEqual(['serve.file', 'config']);
    return [thrown.message, thrown.where ?? '', ...thrown.hints].join('\n');
  }
  return '';
}

const TAIL = 'abcdefghijklmnopqrstuu1234567890123456789012345678901';
const BCRYPT = `$2y$10$${TAIL}`;

describe('the users file', () => {
  test.each([
    ['', []],
    [`ada:${BCRYPT}\n`, ['ada']],
    [`ada:${BCRYPT}`, ['ada']],
    [`ada:${BCRYPT}\r\nbob:$2b$12$${TAIL}\r\n`, ['ada', 'bob']],
    [`# users\n\n  \nada:$2a$05$${TAIL}\n#bob:x\n`, ['ada']],
    [`\uFEFFada:${BCRYPT}\n`, ['ada']],
    [`ada@example.org:${BCRYPT}\nédouard:${BCRYPT}\n`, ['ada@example.org', 'édouard']],
    [`constructor:${BCRYPT}\n__proto__:${BCRYPT}\n`, ['constructor', '__proto__']],
  ])('%j holds %j', (text, names) => {
    const path = join(directory, 'users');
    writeFileSync(path, text, { mode: 0o600 });
    expect([...parseUsers(readSecretFile(path, 'the users file').text, path).keys()]).toEqual(names);
  });

  test.each([
    ['ada:s3cr3t', 'came a password as it is or a hash of crypt'],
    ['ada:', 'came nothing'],
    ['s3cr3t', 'expected a name, a colon and a bcrypt hash, came no colon'],
    [':s3cr3t', 'expected a name of 1 to 256 visible characters'],
    [`a da:${BCRYPT}`, 'expected a name of 1 to 256 visible characters'],
    [`a\u0000da:${BCRYPT}`, 'expected a name of 1 to 256 visible characters'],
    [`a\u202eda:${BCRYPT}`, 'expected a name of 1 to 256 visible characters'],
    [`${'a'.repeat(257)}:${BCRYPT}`, 'expected a name of 1 to 256 visible characters'],
    ['ada:$apr1$s3cr3t$abcdefghijklmnopqrstu0', 'came an MD5 hash'],
    ['ada:{SHA}s3cr3tQGP6Q0r8GC5PDbpxuDL6g=', 'came a SHA-1 hash'],
    ['ada:{SSHA}s3cr3t', 'came a hash of another kind'],
    ['ada:$6$s3cr3t$abc', 'came a hash of another kind'],
    ['ada:$argon2id$s3cr3t', 'came a hash of another kind'],
    ['ada:s3cr3tQdDA2Y', 'came a password as it is or a hash of crypt'],
    [`ada:$2x$10$${TAIL}`, 'came a hash of the faulty bcrypt of old'],
    [`ada:$2y$10$s3cr3t`, 'came a bcrypt hash that is cut off'],
    [`ada:${BCRYPT}s3cr3t`, 'came a bcrypt hash that is cut off or has something behind it'],
    [`ada:${BCRYPT}:s3cr3t`, 'came a bcrypt hash that is cut off or has something behind it'],
    [`ada:$2y$04$${TAIL}`, 'expected a bcrypt hash of cost 5 to 14, came one of 4'],
    [`ada:$2y$31$${TAIL}`, 'expected a bcrypt hash of cost 5 to 14, came one of 31'],
    [`bob:${BCRYPT}\nada:${BCRYPT}\nbob:${BCRYPT}`, 'line 1 is of the same user'],
  ])('%j is refused with its line, and nothing of it is shown', (text, said) => {
    const refusal = refusalOf(() =>
      parseUsers(`# head\n${text}\n`.replace(/^# head\nbob/, 'bob'), '/etc/users'),
    );
    expect(refusal).toContain(said);
    expect(refusal).toMatch(/\/etc\/users, line [23]\n/);
    for (const secret of ['s3cr3t', TAIL, 'ada']) expect(refusal).not.toContain(secret);
  });
});

describe('the tokens file', () => {
  const HEX = 'a'.repeat(64);
  const OTHER = '1d7c7aeb6ae2a2b3cb0b4bd2d4d2e3b4d4e6b9e8f3d7c8d2a7d0c0a59d5b2f10';

  test('a token is found by its hash, and until its day is over', () => {
    const tokens = parseTokens(
      '# made with openssl\n' +
        'ada:0d3fab4d69e4dcbf5c7e8e9aee3b2bf5e41d17d9cf7c4c6f8f0e2d5e6f6b7a80:2026-12-31\n' +
        `bob:${SHA256_OF_ABC.toUpperCase()}:2024-02-29\r\n` +
        `carol:${SHA256_OF_EMPTY}\n`,
      '/etc/tokens',
    );
    const endMs = Date.UTC(2024, 2, 1);
    expect(nameOfToken(tokens, 'abc', endMs - 1)).toBe('bob');
    expect(nameOfToken(tokens, 'abc', endMs)).toBeUndefined();
    expect(nameOfToken(tokens, 'abcd', 0)).toBeUndefined();
    expect(nameOfToken(tokens, '', 1e15)).toBe('carol');
    expect(nameOfToken([], 'abc', 0)).toBeUndefined();
  });

  test.each([
    ['s3cr3t', 'expected a name, a colon and the SHA-256 of a token'],
    ['ada:s3cr3t', 'expected the SHA-256 of a token as 64 hexadecimal digits'],
    [`ada:${HEX.slice(1)}`, 'expected the SHA-256 of a token as 64 hexadecimal digits'],
    [`ada:${HEX}a`, 'expected the SHA-256 of a token as 64 hexadecimal digits'],
    [`:${HEX}`, 'expected a name, a colon and the SHA-256 of a token'],
    [`ada:${HEX}:`, 'expected the last day of the token such as 2026-12-31'],
    [`ada:${HEX}:2026-02-30`, 'expected the last day of the token such as 2026-12-31'],
    [`ada:${HEX}:31.12.2026`, 'expected the last day of the token such as 2026-12-31'],
    [`ada:${HEX}:2026-12-31:more`, 'expected a name, a colon and the SHA-256 of a token'],
    [`ada:${OTHER}\nbob:${OTHER.toUpperCase()}`, 'line 1 has the same token'],
  ])('%j is refused with its line, and nothing of it is shown', (text, said) => {
    const refusal = refusalOf(() => parseTokens(text, '/etc/tokens'));
    expect(refusal).toContain(said);
    expect(refusal).toMatch(/\/etc\/tokens, line [12]/);
    for (const secret of ['s3cr3t', HEX.slice(1), OTHER]) expect(refusal).not.toContain(secret);
  });
});

const SHA256_OF_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const SHA256_OF_EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('the roles file', () => {
  test('says who is an operator, whose accounts a member sees, and whom a name means', () => {
    const roles = parseRoles(
      'operators: [carol]\naccounts:\n  physics: [ada, bob]\n  bio.x: [ada]\nnames:\n  Ada@example.org: ada\n  root@example.org: carol\n',
      '/etc/roles',
    );
    expect(viewerOf('carol', roles)).toEqual({ name: 'carol', isOperator: true, accounts: new Set() });
    expect(viewerOf('root@example.org', roles).isOperator).toBe(true);
    expect(viewerOf('bob', roles)).toEqual({
      name: 'bob',
      isOperator: false,
      accounts: new Set(['physics']),
    });
    expect(viewerOf('Ada@example.org', roles).accounts).toEqual(new Set(['physics', 'bio.x']));
    expect(viewerOf('ada@example.org', roles).accounts.size).toBe(0);
    expect(viewerOf('Carol', roles).isOperator).toBe(false);
    for (const name of ['constructor', '__proto__', 'toString'])
      expect(viewerOf(name, roles)).toEqual({ name, isOperator: false, accounts: new Set() });
  });

  test.each(['', '# nothing\n', '{}', 'operators: []\n'])('%j gives nobody more', (text) => {
    expect(viewerOf('ada', parseRoles(text, 'r'))).toEqual({
      name: 'ada',
      isOperator: false,
      accounts: new Set(),
    });
  });

  test.each([
    ['operators: carol\n', 'operators: expected a list of names', 1],
    ['operators: [carol, 7]\n', 'operators: expected a name as text', 1],
    ['operators: [""]\n', 'operators: expected a name of 1 to 256 visible characters', 1],
    ['operators: ["a\\u202eb"]\n', 'operators: expected a name of 1 to 256 visible characters', 1],
    ['operators:\n  - [carol]\n', 'operators: expected a name as text', 2],
    ['accounts: [physics]\n', 'accounts: expected accounts, and a list of names for each', 1],
    ['accounts:\n  physics: ada\n', 'accounts: expected a list of names', 2],
    ['accounts:\n  physics: {ada: true}\n', 'accounts: expected a list of names', 2],
    ['operator: [carol]\n', 'expected operators, accounts and names, came another key', 1],
    ['operators: [a]\noperators: [b]\n', 'key "operators" comes twice', 2],
    ['names: {ada: [b]}\n', 'names: expected a name as text', 1],
    ['- carol\n', 'expected a map of operators, accounts and names', undefined],
    ['carol\n', 'expected a map of operators, accounts and names', undefined],
    ['operators: [\n', 'not YAML', 2],
    ['operators: &a [*a]\n', 'expected at most 16 maps and lists', 1],
    [`operators: ${'['.repeat(5000)}\n`, 'not YAML', 1],
  ])('%j is refused with a sentence', (text, said, line) => {
    const refusal = refusalOf(() => parseRoles(text, '/etc/roles'));
    expect(refusal).toContain(`roles: ${said}`);
    expect(refusal).toContain(line === undefined ? '/etc/roles' : `/etc/roles, line ${line}`);
  });
});

describe('a file that says who may see what', () => {
  test.each([
    [0o600, 'taken'],
    [0o640, 'taken'],
    [0o644, 'public'],
    [0o602, 'can be written by everybody'],
    [0o666, 'can be written by everybody'],
  ])('with the rights %o is %s', (mode, said) => {
    const path = join(directory, 'rights');
    writeFileSync(path, 'x');
    chmodSync(path, mode);
    const refusal = refusalOf(() => readSecretFile(path, 'the users file'));
    if (refusal === '') expect(readSecretFile(path, 'the users file').isPublic).toBe(said === 'public');
    else expect(refusal).toContain(said);
    rmSync(path);
  });

  test('is there, is text, and ends', () => {
    const path = join(directory, 'bytes');
    expect(refusalOf(() => readSecretFile(path, 'the users file'))).toContain('no such file');
    expect(refusalOf(() => readSecretFile(directory, 'the users file'))).toContain('it is a directory');
    expect(refusalOf(() => readSecretFile('/dev/zero', 'the users file'))).toContain('at most 1024 KiB');
    writeFileSync(path, Buffer.from([0x61, 0xff]), { mode: 0o600 });
    expect(refusalOf(() => readSecretFile(path, 'the users file'))).toContain('no text in UTF-8');
  });
});

describe('a file that changes', () => {
  function watched(first: string) {
    const path = join(directory, 'watched');
    const told: Notice[] = [];
    let nowMs = 0;
    const write = (text: string): void => {
      // As editors and configuration management do it.
      writeFileSync(`${path}.new`, text, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    };
    write(first);
    const current = watchFiles({
      what: 'the users file',
      read: (look) => [...parseUsers(readSecretFile(look(path), 'the users file').text, path).keys()],
      tell: (notice) => told.push(notice),
      nowMs: () => nowMs,
    });
    const later = (ms: number): string[] => {
      nowMs += ms;
      return current();
    };
    return { path, write, later, told: () => told.splice(0).map(({ level, code }) => `${level} ${code}`) };
  }

  test('is read again, at most once a second', () => {
    const { write, later, told } = watched(`ada:${BCRYPT}\n`);
    write(`bob:${BCRYPT}\n`);
    expect(later(999)).toEqual(['ada']);
    expect(later(1)).toEqual(['bob']);
    expect(told()).toEqual(['info serve.file_taken']);
    expect(later(1000)).toEqual(['bob']);
    expect(told()).toEqual([]);
  });

  test('holds as it was once it turned bad or went away, which is told once', () => {
    const { path, write, later, told } = watched(`ada:${BCRYPT}\n`);
    write('ada:s3cr3t\n');
    expect(later(1000)).toEqual(['ada']);
    expect(later(1000)).toEqual(['ada']);
    expect(told()).toEqual(['error serve.file']);
    write('ada:s3cr3t\n');
    expect(later(1000)).toEqual(['ada']);
    expect(told()).toEqual(['debug serve.file']);
    rmSync(path);
    expect(later(1000)).toEqual(['ada']);
    expect(told()).toEqual(['error serve.file']);
    // At what stands there now the system cannot even be asked when it changed.
    symlinkSync(path, path);
    expect(later(1000)).toEqual(['ada']);
    expect(told()).toEqual(['error serve.file']);
    write(`bob:${BCRYPT}\n`);
    expect(later(1000)).toEqual(['bob']);
    expect(told()).toEqual(['info serve.file_taken']);
  });
});

test('hashes of bcryptjs and of htpasswd have the form that is asked for', () => {
  expect(parseUsers(`ada:${hashSync('x', 5)}`, 'u').get('ada')?.cost).toBe(5);
});
