import { OperatingError } from '../core/base/errors.ts';
import { fine, wrong, type Check, type Outcome, type Part } from './check.ts';
import { NotTold } from './not-told.ts';
import type { Facts } from './facts.ts';

/** The configuration of services: of the collector of a node, or of what else asks the store. */
export function configurationOf(part: Part): Check {
  return {
    part,
    name: 'configuration',
    why: 'what cannot be read is not sampled, and a key that is misspelt does nothing',
    look: async (facts) => await lookAtConfiguration(facts),
  };
}

async function lookAtConfiguration(facts: Facts): Promise<Outcome> {
  try {
    const { config, files, warnings } = await facts.loaded('operator');
    const where = files.join(' and ') || 'no file, defaults';
    if (warnings.length > 0) return wrong(`${where}: ${warnings.join('; ')}`, ['gpuledger config check']);
    const lanes = config.lanes.map(({ name }) => name).join(', ');
    return fine(`${where} (lanes ${lanes}; source ${config.source})`);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    throwIfForbidden(thrown);
    return wrong(sentence(thrown), [...thrown.hints, 'gpuledger config check']);
  }
}

/** A file that this user may not read accuses nobody. */
function throwIfForbidden({ message, where, hints }: OperatingError): void {
  const told = [message, where ?? '', ...hints].join(' ');
  if (!/\((EACCES|EPERM)\)/.test(told)) return;
  throw new NotTold(where === undefined ? message : `${message} (${where})`, {
    lacksRights: true,
    mend: ['sudo gpuledger doctor'],
  });
}

export function sentence({ message, where }: OperatingError): string {
  return where === undefined ? message : `${message} (${where})`;
}
