import { cronScheduling } from '../../../jobs/scheduling.ts';
import type { Config } from '../../config/config.ts';
import type { Tell } from '../../core/base/notice.ts';
import { startStoreless, type StorelessSampling } from '../../exporter/storeless.ts';
import { lanesText } from './collecting.ts';
import type { Resident } from './run-until-stopped.ts';

/** Sampling for those who scrape, which nobody records. */
export interface ServingResident extends Resident {
  readonly sampling: StorelessSampling;
}

export function servingWays() {
  return async (
    config: Config,
    former: ServingResident | undefined,
    tell: Tell,
  ): Promise<ServingResident> => {
    const sampling = await startStoreless({
      ...{ config, scheduling: cronScheduling, tell },
      former: former?.sampling,
    });
    const { feed, description, ended } = sampling;
    const { devices } = feed;
    return {
      ...{ sampling, feed, ended },
      sentence: `${description}: ${devices.length} devices, lanes ${lanesText(config.lanes)}; nothing is recorded: no QuestDB is configured`,
      data: { devices: devices.length },
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
