/** What the steps of prepare.js share: how they run programs, and how they fail. Works on any Node from 16. */
import { spawnSync } from 'child_process';
import { dirname } from 'path';
import { fileURLToPath } from 'url';

/** The package's root. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** A failure that is the world's: its message is printed without a stack. */
export class Failure extends Error {
  constructor(message, exitCode) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What is about to take more than two seconds. */
export function announce(line) {
  process.stderr.write(`gpuledger: ${line}\n`);
}

/** Runs a program, and shows its output only when it fails. */
export function run(program, args, options = {}) {
  const { exitCode = 69, ...spawnOptions } = options;
  const result = spawnSync(program, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...spawnOptions,
  });
  if (result.error) throw new Failure(`${program} could not be run: ${result.error.message}`, exitCode);
  if (result.status === 0) return;
  process.stderr.write(result.stdout + result.stderr);
  const how = result.signal ? `was ended by ${result.signal}` : `ended with exit code ${result.status}`;
  throw new Failure(`${[program, ...args].join(' ')} ${how} (its output is above)`, exitCode);
}
