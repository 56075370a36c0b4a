import type { NodeDevice, NodeFigures } from '../../figures/node/figures.ts';
import { jobsRowOf } from '../json.ts';
import { rollupText } from '../text/wording.ts';

/** A node as JSON: numbers in base units with the unit in the name, what is not known left out. */
export function nodeJson({ devices, jobs, ...rest }: NodeFigures): string {
  const told = {
    ...rest,
    devices: devices.map(deviceOf),
    jobs: jobs.rows.map(jobsRowOf),
    invalidRollups: jobs.invalidRollups.length === 0 ? undefined : jobs.invalidRollups.map(rollupText),
  };
  return `${JSON.stringify(told, undefined, 2)}\n`;
}

function deviceOf({ owners, ...device }: NodeDevice): object {
  return {
    ...device,
    owners: owners.map(({ typedId, jobId, run, user }) => ({ typedId, jobId, run, user })),
  };
}
