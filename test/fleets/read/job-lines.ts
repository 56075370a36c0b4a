import type { Difference } from '../differences.ts';
import type { Causes } from './causes-text.ts';
import type { Wrong } from './printed.ts';
import type { UseDevice, UseReport } from './job-use.ts';

/** What the readers of a job's text have in common: what they know of its JSON, and how they take lines. */

interface Energy {
  readonly counterJoules?: number;
  readonly counterUs: number;
  readonly powerJoules?: number;
  readonly powerUs: number;
  readonly bestJoules?: number;
  readonly bestUs: number;
  readonly dividedJoules?: number;
  readonly dividedUs?: number;
}

interface Gauge {
  readonly mean: number | null;
  readonly min?: number;
  readonly max: number;
  readonly knownUs: number;
  readonly p50?: number;
  readonly p95?: number;
}

export interface JobGauge extends Gauge {
  readonly key: string;
  readonly barWidth?: number;
  readonly series: readonly (number | null)[];
}

export interface Device extends UseDevice {
  readonly gpu: string;
  readonly node: string;
  readonly index: number;
  readonly model: string;
  readonly memoryBytes: number;
  readonly migProfile?: string;
  readonly sliceRatio?: number;
  readonly ownedUs: number;
  readonly sampledUs: number;
  readonly attributedUs: number;
  readonly causes?: Causes;
  readonly samples: number;
  readonly gauges: Readonly<Record<string, Gauge | undefined>>;
  readonly energy: Energy;
}

export interface Report extends UseReport {
  readonly jobId: string;
  readonly run: number;
  readonly otherRuns: readonly number[];
  readonly otherJobs: readonly {
    readonly command: string;
    readonly startUs: number;
    readonly user?: string;
    readonly state?: string;
  }[];
  readonly cluster?: string;
  readonly name?: string;
  readonly user?: string;
  readonly account?: string;
  readonly partition?: string;
  readonly state?: string;
  readonly exitCode?: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly boundaryUs: number;
  readonly sharing: string;
  readonly areSharesScaled?: boolean;
  readonly ownedUs: number;
  readonly ownedGpuUs?: number;
  readonly sampledUs: number;
  readonly attributedUs: number;
  readonly samples: number;
  readonly coverageRatio?: number;
  readonly gapCount: number;
  readonly gapUs: number;
  readonly unplacedGaps?: { readonly us: number };
  readonly isFromRollups?: boolean;
  readonly oldestSampleUs?: number;
  readonly mixedUs?: number;
  readonly causes?: Causes;
  readonly devices: readonly Device[];
  readonly gauges: readonly JobGauge[];
  readonly energy: Energy;
  readonly notMeasured: readonly { readonly keys: readonly string[]; readonly reason: string }[];
  readonly verdict: string;
  readonly slowest?: { readonly gpu: string };
  readonly dips?: object;
  readonly findings: readonly {
    readonly rule: string;
    readonly text: string;
    readonly fromUs: number;
    readonly toUs: number;
    readonly lostGpuUs?: number;
    readonly gpus: readonly string[];
    readonly command?: string;
  }[];
  readonly rulesNotTold?: readonly { readonly rule: string; readonly lacks: readonly string[] }[];
}

/** What people call a gauge. */
export const LABELS: Readonly<Record<string, string>> = {
  smActive: 'SM active',
  tensorActive: 'tensor active',
  dramActive: 'DRAM active',
  engineActive: 'engine active',
  gpuUtil: 'any kernel ran',
  power: 'power',
  memoryUsed: 'memory',
  pcieSent: 'PCIe sent',
  pcieReceived: 'PCIe received',
  nvlinkSent: 'NVLink sent',
  nvlinkReceived: 'NVLink received',
};
/** Takes lines one by one; each wrong one is noted. */
export interface Reading {
  readonly report: Report;
  readonly lines: string[];
  readonly differences: Difference[];
}

export function note({ differences }: Reading, what: string, expected: Wrong, got: string): void {
  if (expected !== undefined) differences.push({ path: `text: ${what}`, expected, got });
}

/** The next line must be just so. */
export function takeExactly(reading: Reading, what: string, expected: string): void {
  const line = reading.lines.shift() ?? '';
  note(reading, what, line === expected ? undefined : expected, line);
}

/** The next line must match; its groups. */
export function takeMatch(reading: Reading, what: string, pattern: RegExp): readonly (string | undefined)[] {
  const line = reading.lines.shift() ?? '';
  const found = pattern.exec(line);
  note(reading, what, found === null ? String(pattern) : undefined, line);
  return found ?? [];
}
