import type { DcgmHandle } from '../../../native/dcgm.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { listEngineDevices, migFingerprint } from './devices.ts';
import type { EntityPair } from './groups.ts';
import type { EngineAddress } from './engine-address.ts';
import type { DcgmSetup } from './setup.ts';

/** The engine itself notices a new MIG layout only after a second or two. */
const LOOK_EVERY_US = 30_000_000;

export interface MigWatch {
  /** Whether the MIG layout is another than at the last look; told by an event. */
  hasChanged(handle: DcgmHandle, nowUs: number): boolean;
}

export function createMigWatch(setup: DcgmSetup): MigWatch {
  let lookedUs = setup.openedUs;
  let layout: string | undefined;
  return {
    hasChanged(handle, nowUs) {
      if (layout !== undefined && nowUs - lookedUs < LOOK_EVERY_US && nowUs >= lookedUs) return false;
      lookedUs = nowUs;
      const before = layout;
      layout = migFingerprint(setup.dcgm, handle);
      if (before === undefined || before === layout) return false;
      setup.onEvent({
        tsUs: nowUs,
        node: setup.node,
        kind: 'mig_changed',
        subject: 'mig',
        text: 'the MIG layout changed: instances that are gone end here, new ones are sampled after a restart of the collector',
      });
      return true;
    },
  };
}

/**
 * After an engine came back: the same UUIDs must have the same numbers, or rows would be of the wrong GPU.
 * @returns false when it went away again before it had told.
 * @throws OperatingError (exit 75) when they have not; started again, the collector takes the devices as they are.
 */
export function checkDevices(setup: DcgmSetup, engine: EngineAddress): boolean {
  let now: ReadonlyMap<string, EntityPair>;
  try {
    const listed = listEngineDevices(setup.dcgm, engine, setup.node);
    now = new Map(listed.map((each) => [each.device.uuid, each.entity]));
  } catch (thrown) {
    if (thrown instanceof OperatingError) return false;
    throw thrown;
  }
  for (const { device, entity } of setup.devices) {
    const found = now.get(device.uuid);
    if (found === undefined || (found.id === entity.id && found.group === entity.group)) continue;
    throw new OperatingError(
      `the engine came back with other numbers for its GPUs: ${device.uuid} was ${entity.id}, is ${found.id}`,
      {
        code: 'dcgm.renumbered',
        exit: 'temporary',
        where: engine.text,
        hints: ['start the collector again: it takes the devices as they are now'],
      },
    );
  }
  return true;
}
