import { closeSync, constants, openSync, readSync } from 'node:fs';

export const KERNEL_LOG = '/dev/kmsg';

/** An XID that the driver wrote into the kernel's log. */
interface KernelXid {
  readonly code: number;
  /** `00000000:0F:00.0`, as NVML spells it. */
  readonly pciBusId: string;
}

/** The kernel's log from now on. */
export interface KernelLog {
  /** The XIDs that were written since the last call. Never waits. */
  takeXids(): readonly KernelXid[];
  close(): void;
}

/** The kernel hands over one record a read, and none is longer. */
const RECORD_BYTES_MAX = 8192;
/** `NVRM: Xid (PCI:0000:0f:00): 79, pid=…, GPU has fallen off the bus.` */
const XID = /NVRM: Xid \(PCI:([0-9a-f]+):([0-9a-f]+):([0-9a-f]+)[^)]*\): (\d+)/i;

/** @throws an error of node:fs where the log may not be read (it takes root or CAP_SYSLOG on most systems). */
export function openKernelLog(path: string): KernelLog {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(RECORD_BYTES_MAX);
  const read = (): string => {
    let text = '';
    for (;;) {
      const bytes = readSome(descriptor, buffer);
      if (bytes === 0) return text;
      text += buffer.toString('utf8', 0, Math.max(0, bytes));
    }
  };
  // What was written before is of another life of the collector.
  read();
  return {
    takeXids() {
      return read()
        .split('\n')
        .map((line) => XID.exec(line))
        .filter((match) => match !== null)
        .map(([, domain = '', bus = '', slot = '', code]) => ({
          code: Number(code),
          pciBusId: `${domain.padStart(8, '0')}:${bus}:${slot}.0`.toUpperCase(),
        }));
    },
    close() {
      closeSync(descriptor);
    },
  };
}

/** @returns 0 when there is nothing more for now, -1 when records were overwritten before they were read. */
function readSome(descriptor: number, buffer: Buffer): number {
  try {
    return readSync(descriptor, buffer, 0, buffer.length, null);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EAGAIN') return 0;
    if (code === 'EPIPE') return -1;
    throw thrown;
  }
}
