import { expect, inject, test } from 'vitest';

test('the shared server answers a query', async () => {
  const response = await fetch(`${inject('questdbUrl')}/exec?query=${encodeURIComponent('select 6*7')}`);
  expect(await response.json()).toMatchObject({ dataset: [[42]] });
});
