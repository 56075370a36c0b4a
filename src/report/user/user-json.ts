import type { CauseAmounts } from '../../figures/job/causes/figures.ts';
import type { EndedRuns, LosingRun, UserFigures } from '../../figures/user/user-figures.ts';
import { costRatesJson, costsJson } from '../costs-json.ts';
import { rollupText } from '../text/wording.ts';

/** What a user's jobs did as JSON: numbers in base units with the unit in the name, what is not known left out. */
export function userJson(figures: UserFigures): string {
  const { costBasis, ended, before, causes, losing, findings, invalidRollups, ...rest } = figures;
  const told = {
    ...rest,
    costRates: costRatesJson(costBasis),
    ended: endedOf(ended),
    before: endedOf(before),
    causes: causes.runs === 0 ? undefined : { runs: causes.runs, ...partsOf(causes.parts) },
    losing: losing.map(losingOf),
    findings: findings.runs === 0 ? undefined : findings,
    invalidRollups: invalidRollups.length === 0 ? undefined : invalidRollups.map(rollupText),
  };
  return `${JSON.stringify(told, undefined, 2)}\n`;
}

function endedOf({ fromUs, toUs, runs, states, used, energy, costs, ...times }: EndedRuns): object {
  const { ownedUs, ownedGpuUs, sampledUs, attributedUs } = times;
  return {
    ...{ fromUs, toUs, runs, ownedUs, ownedGpuUs, sampledUs, attributedUs },
    states: [...states].map(([state, runs]) => ({ state, runs })),
    usedUs: used?.value,
    wastedUs: used && used.knownUs - used.value,
    usedKnownUs: used?.knownUs ?? 0,
    bestJoules: energy?.value,
    bestUs: energy?.knownUs ?? 0,
    costs: costsJson(costs),
  };
}

function partsOf(parts: CauseAmounts): object {
  return {
    ownedUs: [...parts].reduce((sum, [, { us }]) => sum + us, 0),
    parts: Object.fromEntries(parts),
  };
}

function losingOf({ row, lostUs }: LosingRun): object {
  const { typedId, jobId, run, cluster, name, state, endUs, ownedGpuUs, rules, command } = row;
  return { typedId, jobId, run, cluster, name, state, endUs, ownedGpuUs, lostUs, findings: rules, command };
}
