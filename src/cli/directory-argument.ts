import { InvalidArgumentError } from 'commander';

/** @throws InvalidArgumentError, which the command line answers with usage (64): nothing would be the directory one is in */
export function directoryArgument(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('expected a directory, came nothing');
  return text;
}
