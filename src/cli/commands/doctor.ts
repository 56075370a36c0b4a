import { Command, Option } from 'commander';
import type { DoctorReport } from '../../../schemas/reports/doctor.ts';
import { EXIT_CODES } from '../../core/base/errors.ts';
import { checksOf } from '../../doctor/all-checks.ts';
import { PARTS, type Check, type Part } from '../../doctor/check.ts';
import { examine, exitOf, type Finding } from '../../doctor/examine.ts';
import { gatherFacts, type Facts } from '../../doctor/facts.ts';
import { partsOfMachine, thisMachine } from '../../doctor/this-machine.ts';
import { addConfigFlags } from '../config-flags.ts';
import { doctorText } from '../doctor/doctor-text.ts';
import { leave } from '../leave.ts';
import { startPassingStep } from '../progress.ts';
import { stopSignal } from '../stop-signal.ts';
import { terminalStyle } from '../terminal.ts';

const EXAMPLES = `
Examples:
  gpuledger doctor                  what this machine looks like it is: a node with its store, or a reader
  sudo gpuledger doctor --node      a node, and the chain from the hook to a row that is read back
  gpuledger doctor --store --json   the store, for a script
  sudo gpuledger doctor --fix       and mend what can be mended without harm

It changes nothing without --fix. What it looks at, and how it proves the chain and leaves nothing: docs/doctor.md

Exit codes: 0 all is fine; 69 something is wrong; 77 nothing known is wrong, and somebody with more rights would be told
            more; 75 nothing known is wrong, and something could not be told for another reason; 64 usage
`;

export function command(): Command {
  const doctor = new Command('doctor')
    .description('Say what is wrong with this installation, why it matters, and what mends it.')
    .option('--node', 'the node: GPUs, collector, hooks, and the chain to the store')
    .option('--store', 'the store: tables, rollups, what each node sent')
    .addOption(new Option('--reader', 'the machine of those who ask: client.conf, and what it may'))
    .option('--fix', 'mend what can be mended without harm; everything else is only told')
    .option('--json', 'print JSON (infra/schemas/doctor.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Readonly<Record<string, unknown>>) => {
      const machine = thisMachine();
      const named = PARTS.filter((part) => options[part] === true);
      const { parts, because } =
        named.length > 0 ? { parts: named, because: undefined } : partsOfMachine(machine);
      const file = options['config'];
      const facts = gatherFacts(machine, typeof file === 'string' ? file : undefined);
      const findings = await stoppableExamination(checksOf(parts), facts, options['fix'] === true);
      const report = reportOf(parts, because, findings);
      process.stdout.write(
        options['json'] === true
          ? `${JSON.stringify(report, undefined, 2)}\n`
          : doctorText(report, terminalStyle().width),
      );
      process.exitCode = report.exitCode;
    });
  return addConfigFlags(doctor, 'doctor');
}

/** Of a signal that comes meanwhile the process ends, with nothing left of the proof: neither tables nor a directory. */
async function stoppableExamination(
  checks: readonly Check[],
  facts: Facts,
  doesFix: boolean,
): Promise<Finding[]> {
  const step = startPassingStep('looking');
  let current: Check | undefined;
  let isStopped = false;
  try {
    const examined = examine(checks, facts, {
      doesFix,
      onCheck: (check) => {
        current = check;
        step.update(`looking at the ${check.part}: ${check.name}`);
      },
      isStopped: () => isStopped,
    });
    const ended = await Promise.race([examined, stopSignal()]);
    if (typeof ended !== 'string') return ended;
    isStopped = true;
    step.end();
    if (doesFix || current?.takesBack === true) await examined;
    await facts.close();
    await leave(ended === 'SIGINT' ? 130 : 143);
    return [];
  } finally {
    step.end();
    await facts.close();
  }
}

function reportOf(
  parts: readonly Part[],
  because: string | undefined,
  findings: readonly Finding[],
): DoctorReport {
  return {
    parts: [...parts],
    ...(because === undefined ? {} : { because }),
    exitCode: EXIT_CODES[exitOf(findings)],
    checks: findings.map(({ part, check, why, outcome, done }) => ({
      ...{ part, check, state: outcome.state, what: outcome.what, why },
      mend: outcome.state === 'fine' ? [] : [...outcome.mend],
      ...(outcome.state === 'untold' && outcome.lacksRights ? { lacksRights: true as const } : {}),
      ...(done === undefined ? {} : { done }),
    })),
  };
}
