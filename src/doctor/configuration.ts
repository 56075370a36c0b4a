import type { OperatingError } from '../core/base/errors.ts';
import { fine, wrongBy, type Check, type Outcome, type Part } from './check.ts';
import { NotTold } from './not-told.ts';
import type { LoadedConfig } from '../config/config-file.ts';
import type { Facts } from './facts.ts';
import { operating, sentence } from './operating.ts';

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
    const loaded = await facts.loaded('operator');
    const { config, files, warnings } = loaded;
    const where = files.join(' and ') || 'no file, defaults';
    if (warnings.length > 0) return warned(loaded, `${where}: `, 'gpuledger config check');
    const lanes = config.lanes.map(({ name }) => name).join(', ');
    return fine(`${where} (lanes ${lanes}; source ${config.source})`);
  } catch (thrown) {
    const error = operating(thrown);
    throwIfForbidden(error);
    return wrongBy(error, 'gpuledger config check');
  }
}

/** What is no error, and should not be. @param check the command that says it, too */
export function warned({ warnings, unsafe }: LoadedConfig, where: string, check: string): Outcome {
  const why = unsafe.length < warnings.length ? {} : { why: WHY_UNSAFE };
  return { state: 'wrong', what: `${where}${warnings.join('; ')}`, mend: [check], ...why };
}

const WHY_UNSAFE =
  'who comes by the secret of the store, or is taken for it, may change what others are billed for';

/** A file that this user may not read accuses nobody. */
function throwIfForbidden(error: OperatingError): void {
  const { message, where, hints } = error;
  const told = [message, where ?? '', ...hints].join(' ');
  if (!/\((EACCES|EPERM)\)/.test(told)) return;
  throw new NotTold(sentence(error), {
    lacksRights: true,
    mend: ['sudo gpuledger doctor'],
  });
}
