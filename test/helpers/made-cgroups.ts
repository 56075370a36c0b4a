/** Directories and files in the layout of the kernel's cgroups with Slurm's jobs in them. They are made up: nobody counts in them. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MadeUse {
  readonly cpuUs: number;
  readonly ioWaitUs: number;
  readonly readBytes: number;
  readonly memoryBytes: number;
}

/** As cgroup v2 has them. @param job such as `system.slice/slurmstepd.scope/job_7` */
export function writeV2(
  root: string,
  job: string,
  { cpuUs, ioWaitUs, readBytes, memoryBytes }: MadeUse,
): void {
  const pressure = (us: number): string =>
    `some avg10=0.00 avg60=0.00 avg300=0.00 total=${us}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n`;
  writeAll(join(root, job), {
    'cpu.stat': `usage_usec ${cpuUs}\nuser_usec ${cpuUs}\nsystem_usec 0\n`,
    'cpu.pressure': pressure(0),
    'io.pressure': pressure(ioWaitUs),
    'io.stat': `8:0 rbytes=${readBytes} wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n`,
    'memory.current': `${memoryBytes}\n`,
    'memory.peak': `${memoryBytes}\n`,
  });
}

/** As cgroup v1 has them: a hierarchy each controller. @param job such as `slurm_n1/uid_1000/job_7` */
export function writeV1(
  root: string,
  job: string,
  { cpuUs, readBytes, memoryBytes }: Omit<MadeUse, 'ioWaitUs'>,
): void {
  writeAll(join(root, 'cpuacct', job), { 'cpuacct.usage': `${cpuUs * 1000}\n` });
  writeAll(join(root, 'blkio', job), {
    'blkio.throttle.io_service_bytes_recursive': `8:0 Read ${readBytes}\n8:0 Write 0\n8:0 Total ${readBytes}\nTotal ${readBytes}\n`,
  });
  writeAll(join(root, 'memory', job), {
    'memory.usage_in_bytes': `${memoryBytes}\n`,
    'memory.max_usage_in_bytes': `${memoryBytes}\n`,
  });
}

function writeAll(directory: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(directory, { recursive: true });
  // The kernel's files are never half there.
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, '.new'), text);
    renameSync(join(directory, '.new'), join(directory, name));
  }
}
