import { nvmlReturn } from '../../../native/nvml-layout.ts';
import { readText } from '../../../native/nvml.ts';
import type { Nvml } from '../../../native/nvml.ts';
import type { DeviceFacts } from '../../core/devices/device.ts';
import type { NvmlDevice } from './devices.ts';

/** nvmlBrandType_t, spelt as DCGM spells its field 51. */
const BRANDS: Readonly<Record<number, string>> = {
  1: 'Quadro',
  2: 'Tesla',
  3: 'NVS',
  4: 'Grid',
  5: 'GeForce',
  6: 'Titan',
  7: 'NVIDIA Virtual Applications',
  8: 'NVIDIA Virtual PC',
  9: 'NVIDIA Virtual Compute Server',
  10: 'NVIDIA RTX Virtual Workstation',
  11: 'NVIDIA vGaming',
  12: 'Quadro RTX',
  13: 'NVIDIA RTX',
  14: 'NVIDIA',
  15: 'GeForce RTX',
  16: 'Titan RTX',
};
/** nvmlInforomObject_t */
const OEM = 0;
const ECC = 1;
const POWER = 2;
/** The largest that the header has for any of these texts. */
const TEXT_BYTES = 80;

/** The same devices with what NVML says of each GPU that is not needed to sample it; asked once, when a source is opened. */
export function withFacts(nvml: Nvml, devices: readonly NvmlDevice[]): readonly NvmlDevice[] {
  return devices.map((each) => ({ ...each, device: { ...each.device, facts: factsOf(nvml, each) } }));
}

function factsOf(nvml: Nvml, { parentHandle }: NvmlDevice): DeviceFacts {
  const facts: Partial<Record<keyof DeviceFacts, string>> = {};
  const ask = (name: keyof DeviceFacts, call: (buffer: Buffer) => number | undefined): void => {
    const text = readText(TEXT_BYTES, (buffer) => call(buffer) ?? nvmlReturn.FUNCTION_NOT_FOUND);
    if (text !== undefined && text !== '') facts[name] = text;
  };
  const inforom = nvml.optional('nvmlDeviceGetInforomVersion');
  const image = nvml.optional('nvmlDeviceGetInforomImageVersion');
  ask('serial', (buffer) => nvml.optional('nvmlDeviceGetSerial')?.(parentHandle, buffer, TEXT_BYTES));
  ask('vbiosVersion', (buffer) =>
    nvml.optional('nvmlDeviceGetVbiosVersion')?.(parentHandle, buffer, TEXT_BYTES),
  );
  ask('inforomImageVersion', (buffer) => image?.(parentHandle, buffer, TEXT_BYTES));
  ask('inforomOemVersion', (buffer) => inforom?.(parentHandle, OEM, buffer, TEXT_BYTES));
  ask('inforomEccVersion', (buffer) => inforom?.(parentHandle, ECC, buffer, TEXT_BYTES));
  ask('inforomPowerVersion', (buffer) => inforom?.(parentHandle, POWER, buffer, TEXT_BYTES));
  ask('nvmlVersion', (buffer) => nvml.optional('nvmlSystemGetNVMLVersion')?.(buffer, TEXT_BYTES));
  const brand = new Uint32Array(1);
  const code = nvml.optional('nvmlDeviceGetBrand')?.(parentHandle, brand);
  const name = code === nvmlReturn.NVML_SUCCESS ? BRANDS[brand[0]!] : undefined;
  return name === undefined ? facts : { ...facts, brand: name };
}
