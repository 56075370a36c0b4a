import { OperatingError } from '../core/base/errors.ts';
import { fileFaultOf } from '../core/base/file-fault.ts';
import { type Check, type Outcome, type Part } from './check.ts';
import { NotTold } from './not-told.ts';
import type { Facts } from './facts.ts';
import { sentence } from './operating.ts';

/** A check with what it found. */
export interface Finding {
  readonly part: Part;
  readonly check: string;
  readonly why: string;
  readonly outcome: Outcome;
  /** What `--fix` did about it. */
  readonly done?: string;
}

interface Options {
  /** Mend what can be mended without harm, and look again. */
  readonly doesFix: boolean;
  /** Hears what is looked at next. */
  readonly onCheck: (check: Check) => void;
  /** Asked before each check: true ends the examination. */
  readonly isStopped?: () => boolean;
}

/** Looks at one thing after another, in the order of the table. What does not concern this machine is left out. */
export async function examine(
  checks: readonly Check[],
  facts: Facts,
  { doesFix, onCheck, isStopped = () => false }: Options,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) {
    if (isStopped()) break;
    onCheck(check);
    const found = await looked(check, facts);
    if (found === undefined) continue;
    const { part, name } = check;
    const why = found.state === 'wrong' && found.why !== undefined ? found.why : check.why;
    const base = { part, check: name, why };
    if (doesFix && found.state === 'wrong' && found.fix !== undefined)
      findings.push({ ...base, ...(await mended(check, facts, found, found.fix)) });
    else findings.push({ ...base, outcome: found });
  }
  return findings;
}

async function looked(check: Check, facts: Facts): Promise<Outcome | undefined> {
  try {
    return await check.look(facts);
  } catch (thrown) {
    return outcomeOf(thrown);
  }
}

async function mended(
  check: Check,
  facts: Facts,
  found: Outcome,
  fix: () => Promise<string> | string,
): Promise<Pick<Finding, 'outcome' | 'done'>> {
  try {
    const done = await fix();
    return { outcome: (await looked(check, facts)) ?? found, done };
  } catch (thrown) {
    const { what } = outcomeOf(thrown);
    return { outcome: found, done: `not mended: ${what}` };
  }
}

/** What kept a check from telling. A mistake of our own is thrown on. */
function outcomeOf(thrown: unknown): Outcome {
  if (thrown instanceof NotTold)
    return { state: 'untold', what: thrown.message, mend: thrown.mend, lacksRights: thrown.lacksRights };
  if (thrown instanceof OperatingError) {
    const lacksRights = thrown.exit === 'permission';
    return { state: 'untold', what: sentence(thrown), mend: thrown.hints, lacksRights };
  }
  const fault = fileFaultOf(thrown);
  if (fault === undefined) throw thrown;
  return { state: 'untold', what: fault.reason, mend: fault.hints, lacksRights: fault.exit === 'permission' };
}

/**
 * What the command ends with, for whoever watches it: 69 where something is wrong; else 77 where somebody with more rights
 * would be told more, 75 where something cannot be told for another reason; 0 where all is fine.
 */
export function exitOf(findings: readonly Finding[]): 'ok' | 'unavailable' | 'permission' | 'temporary' {
  const outcomes = findings.map(({ outcome }) => outcome);
  if (outcomes.some(({ state }) => state === 'wrong')) return 'unavailable';
  const untold = outcomes.filter((one) => one.state === 'untold');
  if (untold.some(({ lacksRights }) => lacksRights)) return 'permission';
  return untold.length > 0 ? 'temporary' : 'ok';
}
