/**
 * Bills as they were issued, kept for ever: a row for each account, user and device of a version. `ts` is the beginning of the month as
 * if it were in UTC; what belongs to all of a bill stands in its line 0. `bill` is made of what is in the bill and of the one before
 * it, so that two who issue the same at once write the same rows, and a version is read only where it has all of its `lines`.
 */
export const BILLS = {
  name: 'bills',
  columns: [
    { name: 'ts', type: 'TIMESTAMP' },
    { name: 'bill', type: 'SYMBOL' },
    { name: 'follows', type: 'SYMBOL' },
    { name: 'issued_ts', type: 'TIMESTAMP' },
    { name: 'line', type: 'LONG' },
    { name: 'lines', type: 'LONG' },
    { name: 'month', type: 'SYMBOL' },
    { name: 'version', type: 'SYMBOL' },
    { name: 'head', type: 'VARCHAR' },
    { name: 'cluster', type: 'SYMBOL' },
    { name: 'account', type: 'SYMBOL' },
    { name: 'user', type: 'SYMBOL' },
    { name: 'node', type: 'SYMBOL' },
    { name: 'gpu', type: 'SYMBOL' },
    { name: 'model', type: 'SYMBOL' },
    { name: 'size_known', type: 'LONG' },
    { name: 'price', type: 'DOUBLE' },
    { name: 'owned_us', type: 'LONG' },
    { name: 'idle_tail_us', type: 'LONG' },
    { name: 'energy_millijoules', type: 'LONG' },
    { name: 'energy_us', type: 'LONG' },
    { name: 'co2e_milligrams', type: 'LONG' },
    { name: 'co2e_millijoules', type: 'LONG' },
  ],
  partitionBy: 'MONTH',
  upsertKeys: ['ts', 'bill', 'issued_ts', 'line'],
} as const;
