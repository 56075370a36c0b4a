import { describe, expect, it } from 'vitest';
import { parseDeviceSelector, selectDevices } from '../../../src/core/devices/device-selector.ts';
import type { SelectableDevice } from '../../../src/core/devices/device-selector.ts';

const gpu = (index: number): SelectableDevice => ({
  selectorId: index,
  device: { uuid: `GPU-${index}`, node: 'n1', index, model: 'H200', memoryBytes: 1 },
});
const instance = (selectorId: number, parent: number): SelectableDevice => ({
  selectorId,
  device: {
    uuid: `MIG-${selectorId}`,
    node: 'n1',
    index: parent,
    model: 'H200',
    memoryBytes: 1,
    parentUuid: `GPU-${parent}`,
  },
});
/** GPU 1 is cut into instances 8 and 9. */
const node = [gpu(0), gpu(1), instance(8, 1), instance(9, 1), gpu(2)];
const uuids = (text: string): string[] =>
  selectDevices(parseDeviceSelector(text), node).selected.map(({ device }) => device.uuid);

describe('device selector', () => {
  it.each([
    ['f', ['GPU-0', 'GPU-1', 'MIG-8', 'MIG-9', 'GPU-2']],
    ['g', ['GPU-0', 'GPU-1', 'GPU-2']],
    ['i', ['GPU-1', 'MIG-8', 'MIG-9']],
    ['g:0', ['GPU-0']],
    ['g:0,2-4', ['GPU-0', 'GPU-2']],
    ['i:9', ['GPU-1', 'MIG-9']],
    ['g:0+i:8', ['GPU-0', 'GPU-1', 'MIG-8']],
    ['i+g:2', ['GPU-1', 'MIG-8', 'MIG-9', 'GPU-2']],
    ['g:1+i', ['GPU-1', 'MIG-8', 'MIG-9']],
  ])('%s selects %j', (text, expected) => {
    expect(uuids(text)).toEqual(expected);
  });

  it.each([
    '',
    'f:0',
    'g:',
    'g:0, 1',
    'g:-1',
    'g:1-2-3',
    'g:0:1',
    'G',
    '0',
    'g:a',
    'g:4-2',
    'g+g',
    'f+g',
    'g:0+',
    'i:0-99999',
  ])('refuses "%s" as a configuration error', (text) => {
    expect(() => parseDeviceSelector(text)).toThrow(expect.objectContaining({ exit: 'config' }) as Error);
  });

  it.each([
    ['f', ['GPU-1']],
    ['i:8', ['GPU-1']],
    ['g:1+i:8', ['GPU-1']],
    // Nothing that is cut from it is sampled: it is sampled as a whole.
    ['g', []],
  ])('%s marks %j as cut: what is cut owns no GPU-hours', (text, expected) => {
    const { selected } = selectDevices(parseDeviceSelector(text), node);
    expect(selected.filter(({ device }) => device.isCut).map(({ device }) => device.uuid)).toEqual(expected);
  });

  it('tells what it names and nobody has', () => {
    expect(selectDevices(parseDeviceSelector('g:0,5+i:8,77'), node).absent).toEqual(['g:5', 'i:77']);
    expect(selectDevices(parseDeviceSelector('f'), node).absent).toEqual([]);
  });
});
