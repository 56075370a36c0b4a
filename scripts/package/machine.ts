/** What the parts of a package call the machines that it can be made for. */
export interface Machine {
  /** As npm and Node have it. */
  readonly arch: string;
  readonly debian: string;
  /** As rpm and `uname -m` have it. */
  readonly machine: string;
}

export const MACHINES: readonly Machine[] = [
  { arch: 'x64', debian: 'amd64', machine: 'x86_64' },
  { arch: 'arm64', debian: 'arm64', machine: 'aarch64' },
];
