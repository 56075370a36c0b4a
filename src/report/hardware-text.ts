import type { Found } from '../figures/job/figures.ts';
import { deviceName } from './text/device-name.ts';
import { formatCount } from './text/format-quantity.ts';

type OfHardware = Extract<Found, { rule: 'fragmented' | 'pcie-degraded' }>;

/** What of the hardware may hold a job back. */
export function hardwareText(finding: OfHardware): string {
  if (finding.rule === 'pcie-degraded') return linkText(finding);
  const { deviceCount, nodeCount, nodesEnough, gpusOfNode } = finding;
  return (
    `its ${deviceCount} GPUs are on ${nodeCount} nodes; ${formatCount(nodesEnough, 'node')} of ${gpusOfNode} would hold them:` +
    ' what they send each other goes over the network.'
  );
}

function linkText({
  device,
  link: { lanes, lanesMax, generation, generationMax },
}: Extract<Found, { rule: 'pcie-degraded' }>): string {
  const texts = [
    ...(lanes !== undefined && lanesMax !== undefined && lanes < lanesMax
      ? [`${lanes} of ${lanesMax} lanes`]
      : []),
    ...(generation !== undefined && generationMax !== undefined && generation < generationMax
      ? [`generation ${generation} of ${generationMax}`]
      : []),
  ];
  return `the PCIe link of ${deviceName(device)} never did more than ${texts.join(', ')}: a card that is not well seated, or a bad riser?`;
}
