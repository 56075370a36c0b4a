import { EXIT_CODES, messageOf, OperatingError } from '../core/base/errors.ts';

/** The lines that a person reads: what was expected and came, where, what to do, and what the exit code means. */
function failureText(error: OperatingError): string {
  const lines = [`error: ${error.message}`];
  if (error.where !== undefined) lines.push(`  ${error.where}`);
  for (const hint of error.hints) lines.push(`  ${hint}`);
  if (error.exit === 'temporary') lines.push('  (exit 75: worth trying again)');
  return `${lines.join('\n')}\n`;
}

/** Prints what went wrong on stderr. @returns the exit code that says it to a script. */
export function reportFailure(thrown: unknown): number {
  if (thrown instanceof OperatingError) {
    process.stderr.write(failureText(thrown));
    return EXIT_CODES[thrown.exit];
  }
  const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown);
  process.stderr.write(`error: a defect of gpuledger, please report it\n${stack}\n`);
  return EXIT_CODES.software;
}
