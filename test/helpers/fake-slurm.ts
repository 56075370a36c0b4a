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
  /** squeue, asked for text, says this of who waits, and sinfo of the nodes: U+001F between columns, U+001E behind the last. */
  waiting(text: string, status?: number): void;
  sinfo(text: string, status?: number): void;
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
  /** The marks that are asked for in the place of those of the file. */
  const marked = (file: string): string =>
    `for a in "$@"; do form=$a; done; c=\${form#*:}; c=\${c%%,*}; r=\${form##*:}\n` +
    `sed "s/$(printf '\\037')/$c/g; s/$(printf '\\036')/$r/g" ${file}`;
  let waits = '';
  // This machine may have a Slurm of its own.
  put('sinfo', 'exit 0');
  return {
    directory,
    path: `${directory}:${process.env['PATH']!}`,
    put,
    squeue(text, status = 0) {
      const isText = 'case " $* " in *" -O "*)';
      put(
        'squeue',
        `${isText} ${waits === '' ? 'exit 0' : waits};; esac\ncat ${sayFile('squeue.json', text)}; exit ${status}`,
      );
    },
    waiting(text, status = 0) {
      waits = `${marked(sayFile('waiting.txt', text))}; exit ${status}`;
      put('squeue', waits);
    },
    sinfo(text, status = 0) {
      put('sinfo', `${marked(sayFile('sinfo.txt', text))}; exit ${status}`);
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
