import type { Listing } from '../../sampler/sampler-protocol.ts';
import type { Facts } from '../facts.ts';
import { NotTold } from '../not-told.ts';
import { operating } from '../operating.ts';
import type { Trial } from '../proof/trial.ts';
import { misfitOf } from './libraries.ts';

/**
 * The trial, once library and engine have answered: what is wrong with those is told by checks of their own.
 * @throws NotTold where they have not; OperatingError as `openTrial`
 */
export async function triedTick(facts: Facts): Promise<Trial> {
  const { source } = await facts.config();
  if (source === 'dcgm' && misfitOf(await answered(facts.dcgm())) !== undefined)
    throw new NotTold('library and engine do not fit');
  if (source === 'nvml') await answered(facts.nvml());
  return await facts.trial();
}

async function answered(asked: Promise<Listing>): Promise<Listing> {
  try {
    return await asked;
  } catch (thrown) {
    operating(thrown);
    throw new NotTold('neither library nor engine answers');
  }
}
