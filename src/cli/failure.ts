import { EXIT_CODES, messageOf, OperatingError } from '../core/base/errors.ts';
import { fileError, fileFaultOf } from '../core/base/file-fault.ts';
import { said } from './said.ts';

/** The lines that a person reads: what was expected and came, where, what to do, and what the exit code means. */
function failureText(error: OperatingError): string {
  const lines = [`error: ${error.message}`];
  if (error.where !== undefined) lines.push(`  ${error.where}`);
  for (const hint of error.hints) lines.push(`  ${hint}`);
  if (error.exit === 'temporary') lines.push('  (exit 75: worth trying again)');
  return `${said(lines.join('\n'))}\n`;
}

/** What the system says of a file that nobody has put into words: a full disk is no defect. */
function inWords(thrown: unknown): unknown {
  if (thrown instanceof OperatingError || fileFaultOf(thrown) === undefined) return thrown;
  const { path, syscall } = thrown as NodeJS.ErrnoException;
  const what = path === undefined ? 'a file' : 'a file or directory';
  return fileError(`${what} cannot be used${syscall === undefined ? '' : ` (${syscall})`}`, thrown, {
    code: 'file.unusable',
    exit: 'temporary',
    ...(path === undefined ? {} : { where: path }),
  });
}

/** Prints what went wrong on stderr. @returns the exit code that says it to a script. */
export function reportFailure(failure: unknown): number {
  const thrown = inWords(failure);
  if (thrown instanceof OperatingError) {
    process.stderr.write(failureText(thrown));
    return EXIT_CODES[thrown.exit];
  }
  const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown);
  process.stderr.write(`error: a defect of gpuledger, please report it\n${stack}\n`);
  return EXIT_CODES.software;
}
