import { OperatingError, type ErrorDetail, type ExitName } from './errors.ts';

/** Why the system does not give a file or directory, and what can be done about that. */
interface FileFault {
  readonly reason: string;
  readonly hints: readonly string[];
  readonly exit: ExitName;
  /** Another place would do as well as this one. */
  readonly isOfPlace?: false;
}

const MAKE_ROOM = 'free some space there, or name a place on another file system';
const NAME_ANOTHER = 'look at the path, or name another one';
const BE_ALLOWED = 'run this as a user who may, or give this one the right (ls -ld shows who may)';

/** By the system's own code. What is not here is no fault of a file. */
const FAULTS: Readonly<Record<string, FileFault>> = {
  EACCES: { reason: 'no permission (EACCES)', hints: [BE_ALLOWED], exit: 'permission' },
  EPERM: { reason: 'the system does not permit it (EPERM)', hints: [BE_ALLOWED], exit: 'permission' },
  EROFS: {
    reason: 'the file system is read-only (EROFS)',
    hints: ['mount it for writing, or name a place on another file system'],
    exit: 'permission',
  },
  ENOSPC: { reason: 'the disk is full (ENOSPC)', hints: [MAKE_ROOM], exit: 'temporary' },
  EDQUOT: { reason: 'the quota of this user is used up (EDQUOT)', hints: [MAKE_ROOM], exit: 'temporary' },
  EFBIG: {
    reason: 'the file is larger than this process may make one (EFBIG)',
    hints: ['raise the limit: ulimit -f, or LimitFSIZE= of the unit'],
    exit: 'temporary',
    isOfPlace: false,
  },
  EMFILE: {
    reason: 'this process has as many files open as it may (EMFILE)',
    hints: ['raise the limit: ulimit -n, or LimitNOFILE= of the unit'],
    exit: 'temporary',
    isOfPlace: false,
  },
  ENFILE: {
    reason: 'this machine has as many files open as it may (ENFILE)',
    hints: ['raise the limit: sysctl fs.file-max'],
    exit: 'temporary',
    isOfPlace: false,
  },
  EIO: {
    reason: 'the disk answers with an error (EIO)',
    hints: ['look at the disk: dmesg tells what it said'],
    exit: 'temporary',
  },
  ESTALE: {
    reason: 'the file server does not know it any more (ESTALE)',
    hints: ['mount the file system again'],
    exit: 'temporary',
  },
  EBUSY: {
    reason: 'it is in use (EBUSY)',
    hints: ['try again later'],
    exit: 'temporary',
    isOfPlace: false,
  },
  ENOENT: { reason: 'there is no such file or directory (ENOENT)', hints: [NAME_ANOTHER], exit: 'config' },
  ENOTDIR: {
    reason: 'a part of the path is a file, and no directory (ENOTDIR)',
    hints: [NAME_ANOTHER],
    exit: 'config',
  },
  EISDIR: { reason: 'it is a directory, and no file (EISDIR)', hints: [NAME_ANOTHER], exit: 'config' },
  EEXIST: { reason: 'something else has that name (EEXIST)', hints: [NAME_ANOTHER], exit: 'config' },
  ENOTEMPTY: { reason: 'the directory is not empty (ENOTEMPTY)', hints: [NAME_ANOTHER], exit: 'config' },
  ELOOP: { reason: 'the links on its path have no end (ELOOP)', hints: [NAME_ANOTHER], exit: 'config' },
  ENAMETOOLONG: { reason: 'the name is too long (ENAMETOOLONG)', hints: [NAME_ANOTHER], exit: 'config' },
  ENXIO: { reason: 'nobody is at its other end (ENXIO)', hints: [NAME_ANOTHER], exit: 'config' },
};

/** Undefined for what is no fault of a file: a mistake of our own, or of a network. */
export function fileFaultOf(thrown: unknown): FileFault | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown) || 'address' in thrown) return undefined;
  const { code } = thrown;
  return typeof code === 'string' && Object.hasOwn(FAULTS, code) ? FAULTS[code] : undefined;
}

/** Why a file cannot be used, in words; of anything else that was thrown its message. */
export function fileReasonOf(thrown: unknown): string {
  return fileFaultOf(thrown)?.reason ?? (thrown instanceof Error ? thrown.message : String(thrown));
}

/**
 * The error for a file or directory that the system does not give.
 * @param sentence what could not be done, without the reason: `the ring journal cannot be written`
 * @param detail `exit` is that of what is no fault of a file, and of a configuration that no later try makes readable; `hints` say how to name another place, and are left out where
 * none would help
 */
export function fileError(sentence: string, thrown: unknown, detail: ErrorDetail): OperatingError {
  const fault = fileFaultOf(thrown);
  const elsewhere = fault?.isOfPlace === false ? [] : (detail.hints ?? []);
  const hints = [...(fault?.hints ?? []), ...elsewhere];
  return new OperatingError(`${sentence}: ${fileReasonOf(thrown)}`, {
    ...detail,
    exit: fault === undefined || isSettled(fault, detail) ? detail.exit : fault.exit,
    hints,
    cause: thrown,
  });
}

function isSettled(fault: FileFault, { exit }: ErrorDetail): boolean {
  return exit === 'config' && fault.exit !== 'temporary';
}
