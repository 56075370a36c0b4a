import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { codesInSource } from '../../../scripts/read-codes.ts';
import { ERROR_CODES } from '../../../src/core/base/error-codes.ts';
import { NOTICE_CODES } from '../../../src/core/base/notice-codes.ts';

const uses = [...codesInSource()];

test('every code that is told or thrown has a meaning', () => {
  const told = uses.filter(([, { levels }]) => levels.size > 0).map(([code]) => code);
  expect(told.filter((code) => !(code in NOTICE_CODES))).toEqual([]);
  const thrown = uses.filter(([, { exits }]) => exits.size > 0).map(([code]) => code);
  expect(thrown.filter((code) => !(code in ERROR_CODES))).toEqual([]);
});

test('every meaning has a place that tells or throws its code, and tables stand in order', () => {
  const used = new Set(uses.map(([code]) => code));
  for (const table of [NOTICE_CODES, ERROR_CODES]) {
    const codes = Object.keys(table);
    expect(codes.filter((code) => !used.has(code))).toEqual([]);
    expect(codes).toEqual(codes.toSorted());
  }
});

test('no program loads the meanings', () => {
  const loading = globSync(['src/**/*.ts', 'schemas/**/*.ts', 'native/**/*.ts', 'jobs/**/*.ts']).filter(
    (path) => /^import (?!type ).*(notice|error)-codes\.ts/m.test(readFileSync(path, 'utf8')),
  );
  expect(loading).toEqual([]);
});

test('docs/codes.md is what the generator makes of tables and source', () => {
  const check = (): string =>
    execFileSync(process.execPath, ['scripts/generate-codes.ts', '--check'], { encoding: 'utf8' });
  expect(check).not.toThrow();
});
