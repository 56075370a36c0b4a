import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Commands of Slurm that say what a test wants: this is the border of the process. */
export interface FakeSlurm {
  /** First in PATH, these are the commands that are found. */
  readonly directory: string;
  readonly path: string;
  /** @param script lines of shell */
  put(command: string, script: string): void;
  /** squeue says this, and ends with this status. */
  squeue(text: string, status?: number): void;
  /** sacct knows the columns of 25.05, and says this: rows between whose columns stands U+001F. */
  sacct(text: string, status?: number): void;
  /** What the commands were called with, a line each. */
  calls(): string[];
  close(): void;
}

const HELP = 'Account Cluster JobID JobIDRaw Restarts SLUID Submit';

export function createFakeSlurm(): FakeSlurm {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-slurm-'));
  const log = join(directory, 'calls');
  writeFileSync(log, '');
  function put(command: string, script: string): void {
    const path = join(directory, command);
    writeFileSync(path, `#!/bin/sh\necho "${command} $*" >> ${log}\n${script}\n`);
    chmodSync(path, 0o755);
  }
  function sayFile(name: string, text: string): string {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  }
  return {
    directory,
    path: `${directory}:${process.env['PATH']!}`,
    put,
    squeue(text, status = 0) {
      put('squeue', `cat ${sayFile('squeue.json', text)}; exit ${status}`);
    },
    sacct(text, status = 0) {
      const file = sayFile('sacct.txt', text);
      const between = `sed "s/$(printf '\\037')/$d/g" ${file}`;
      const delimiter = 'for a in "$@"; do case $a in --delimiter=*) d=${a#*=};; esac; done';
      put(
        'sacct',
        `[ "$1" = --helpformat ] && { echo ${HELP}; exit 0; }\n${delimiter}\n${between}; exit ${status}`,
      );
    },
    calls: () => readFileSync(log, 'utf8').split('\n').slice(0, -1),
    close() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
