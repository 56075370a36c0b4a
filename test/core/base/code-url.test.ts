import { expect, test } from 'vitest';
import { codeUrl } from '../../../src/core/base/code-url.ts';

test.each([
  ['file:///p/src/sampler/sampler.ts', 'file:///p/src/sampler/x-worker.ts'],
  ['file:///p/dist/sampler/sampler.js', 'file:///p/dist/sampler/x-worker.js'],
  ['file:///p/bundle.mjs', 'file:///p/x-worker.js'],
])('beside %s stands %s', (moduleUrl, expected) => {
  expect(codeUrl('./x-worker.ts', moduleUrl).href).toBe(expected);
});
