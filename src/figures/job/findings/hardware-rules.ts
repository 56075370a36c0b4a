import { UNRESOLVED_PREFIX } from '../../../core/devices/identity.ts';
import type { Found, JobDevice, JobFacts } from '../figures.ts';

/** Whole GPUs of more nodes than would hold as many: what they send each other goes over the network. */
export function fragmented({ devices, sharing, hardware: { gpusOfNodes } }: JobFacts): readonly Found[] {
  const nodes = [...new Set(devices.map(({ node }) => node))];
  const sizes = nodes.flatMap((node) => gpusOfNodes.get(node) ?? []);
  const isPlain = sharing === 'whole' && devices.every(isWholeAndKnown);
  if (nodes.length < 2 || sizes.length < nodes.length || !isPlain) return [];
  const gpusOfNode = Math.min(...sizes);
  const nodesEnough = Math.ceil(devices.length / gpusOfNode);
  return nodesEnough >= nodes.length
    ? []
    : [{ rule: 'fragmented', deviceCount: devices.length, nodeCount: nodes.length, nodesEnough, gpusOfNode }];
}

function isWholeAndKnown({ gpu, migProfile }: JobFacts['devices'][number]): boolean {
  return migProfile === undefined && !gpu.startsWith(UNRESOLVED_PREFIX);
}

/** A link that all the time did less than it and its slot can do, of a device that did something: the link of one that rests is slow. */
export function pcieDegraded({ devices, hardware: { narrowLinks } }: JobFacts): readonly Found[] {
  return narrowLinks.flatMap((link): readonly Found[] => {
    const device = devices.find(({ gpu }) => gpu === link.gpu);
    return device === undefined || !hasWorked(device) ? [] : [{ rule: 'pcie-degraded', device, link }];
  });
}

/** Of a device of which that is not known it is not said. */
function hasWorked({ gauges: { smActive, engineActive, gpuUtil }, idleSmRatio }: JobDevice): boolean {
  const most = smActive ?? engineActive ?? gpuUtil;
  return most !== undefined && most.max.value >= idleSmRatio;
}
