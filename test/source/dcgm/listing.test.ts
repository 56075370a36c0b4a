/** Goal: listing the devices of an engine takes few round trips, and an older engine tells the same. Method: the fake counts. */
import { expect, it } from 'vitest';
import { loadDcgm } from '../../../native/dcgm.ts';
import { listEngineDevices } from '../../../src/source/dcgm/devices.ts';
import { parseEngineAddress } from '../../../src/source/dcgm/engine-address.ts';
import { playedDcgm } from '../../helpers/played-dcgm.ts';

const { fake } = playedDcgm();
const GPUS = 8;
const IDENTITY_FIELDS = 6;
const ENGINES = ['unix:///run/engine', 'localhost:5555'];

function listed(engine: string) {
  const dcgm = loadDcgm(fake.path);
  const devices = listEngineDevices(dcgm, { ...parseEngineAddress(engine), text: engine }, 'n1');
  dcgm.since.close();
  return devices.map(({ device }) => device);
}

it.each(ENGINES)('reads the facts of all GPUs in one request (%s)', (engine) => {
  fake.set('since_series', 0);
  fake.set('latest_calls', 0);
  const devices = listed(engine);
  expect(devices.map(({ uuid }) => uuid.slice(0, 12))).toEqual(
    Array.from({ length: GPUS }, (_, gpu) => `GPU-0000000${gpu}`),
  );
  expect(devices.map(({ facts }) => [facts?.nvmlVersion, facts?.processName])).toEqual(
    Array(GPUS).fill(['13.595.45.04', 'nv-hostengine']),
  );
  expect([fake.get('since_series'), fake.get('latest_calls')]).toEqual([GPUS * IDENTITY_FIELDS, 1]);
  expect(fake.get('stalls')).toBe(0);
});

it.each(ENGINES)('tells the same of an engine that is older than the library (%s)', (engine) => {
  const factsOf = () => listed(engine).map(({ uuid, driver, facts }) => [uuid, driver, facts]);
  const told = factsOf();
  fake.set('library_minor', 6);
  fake.set('engine_minor', 4);
  expect(factsOf()).toEqual(told);
});
