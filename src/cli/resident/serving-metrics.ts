import { cronScheduling } from '../../../jobs/scheduling.ts';
import type { FormerSampling } from '../../collector/intake.ts';
import { startStoreless } from '../../exporter/storeless.ts';
import { lanesText } from './collecting.ts';
import type { ResidentWays } from './run-until-stopped.ts';

/** Sampling for those who scrape, which nobody records. */
export function servingWays(): ResidentWays['begin'] {
  return async (config, former, tell) => {
    const sampling = await startStoreless({ config, scheduling: cronScheduling, tell, former });
    const { feed, description, ended } = sampling;
    const { devices } = feed;
    return {
      ...{ sampling, feed, ended },
      sentence: `${description}: ${devices.length} devices, lanes ${lanesText(config.lanes)}; nothing is recorded: no QuestDB is configured${leftBy(former)}`,
      data: { devices: devices.length },
      lastWords: ': nothing is held that would be written',
      get isAtWork() {
        return sampling.isAtWork;
      },
      async close() {
        await sampling.close();
        return true;
      },
    };
  };
}

/** A collector that was there before may have rows that its QuestDB did not take. */
function leftBy(former: FormerSampling | undefined): string {
  return former?.stateDir === undefined
    ? ''
    : ` any more; rows that were not sent yet wait in ${former.stateDir} for the next QuestDB (gpuledger spool)`;
}
