import { seededRandom } from '../../chaos/random.ts';
import { oneOf, type FleetDevice, type FleetIdleLimits, type Random } from './fleet.ts';

const LIMITS = [0.01, 0.02, 0.05, 0.1, 0.2];
const USUAL = 0.05;

/** The usual limit, another one, or others by model: its whole name, the beginning of some names, or of none of the devices. */
export function drawIdleLimits(seed: number, devices: readonly FleetDevice[]): FleetIdleLimits {
  // By itself, so that all else is drawn as it would be without.
  const random = seededRandom(seed * 104_729 + 11);
  const how = random();
  if (how < 0.25) return { smRatio: USUAL, models: new Map() };
  if (how < 0.45) return { smRatio: oneOf(random, LIMITS), models: new Map() };
  const smRatio = random() < 0.5 ? USUAL : oneOf(random, LIMITS);
  const others = LIMITS.filter((limit) => limit !== smRatio);
  const models = new Map<string, number>();
  const count = 1 + Math.floor(2 * random());
  for (let at = 0; at < count; at += 1) models.set(drawBeginning(devices, random), oneOf(random, others));
  return { smRatio, models };
}

function drawBeginning(devices: readonly FleetDevice[], random: Random): string {
  const { model } = oneOf(random, devices);
  return oneOf(random, [model, model, model.slice(0, 8), 'NVIDIA', 'No such GPU']);
}
