/**
 * Goal: of a job with which nothing is wrong no rule speaks, and of one that has a flaw the right one comes first. Method: jobs that the
 * synthetic source draws by seed, an hour each, sampled as a lane of a second would record them.
 */
import { expect, test } from 'vitest';
import { drawnFindings, FLAWS, type Flaw } from './made-findings.ts';

const SEEDS = 200;
const SECONDS = 3600;

test('of 200 sound jobs nothing stands out but checkpoints that there were', () => {
  const told = Array.from({ length: SEEDS }, (_, seed) => drawnFindings(seed, 'sound', SECONDS));
  const wrong = told.flatMap(({ what, findings, hasPauses }) => {
    const rules = findings.map(({ rule }) => rule).filter((rule) => rule !== 'dips' || !hasPauses);
    return rules.length === 0 ? [] : [[what, rules]];
  });
  expect(wrong).toEqual([]);
});

test('of 200 jobs with a flaw that comes first, and no time is in two findings', () => {
  const flaws = (Object.keys(FLAWS) as Flaw[]).filter((flaw) => flaw !== 'sound');
  const wrong = Array.from({ length: SEEDS }, (_, seed) => {
    const flaw = flaws[seed % flaws.length]!;
    const { what, findings, facts } = drawnFindings(seed, flaw, SECONDS);
    const lostUs = findings.reduce((us, { lostGpuUs = 0 }) => us + lostGpuUs, 0);
    const isRight = findings[0]?.rule === FLAWS[flaw] && lostUs <= facts.all.sampledUs;
    return isRight ? [] : [[what, findings.map(({ rule, lostGpuUs }) => `${rule} ${String(lostGpuUs)}`)]];
  });
  expect(wrong.flat()).toEqual([]);
});
