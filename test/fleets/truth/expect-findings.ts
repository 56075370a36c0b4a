import type { Check } from '../differences.ts';
import {
  coverageWrong,
  hoursWrong,
  memoryWrong,
  ratioWrong,
  spanWrong,
  type Wrong,
} from '../read/printed.ts';
import {
  findingsTruth,
  idlenessOf,
  isMemoryKnown,
  spreadOf,
  strayOf,
  tailOf,
  unusedOf,
  usedDevices,
} from './findings.ts';
import { belowOf, type DeviceTruth, type JobTruth } from './job.ts';

/** What the findings of a job must say: which rules speak, in which order, and each number in their sentences. */

/** In this order where they cost as much, or nothing. */
const RULES = [
  'no-data',
  'out-of-memory',
  'unused',
  'hang',
  'idle-tail',
  'idle-head',
  'computes-longest',
  'fed-late',
  'imbalance',
  'dips',
  'pauses',
  'kernel-gaps',
  'low-occupancy',
  'idle',
  'no-tensor',
  'memory-half',
  'fragmented',
  'coverage',
  'energy-check',
];
const FAULTS = 2;

/** Concluded from windows: test/figures/job-analysis.test.ts has their truth. */
const SLOWEST: ReadonlySet<string> = new Set(['computes-longest', 'fed-late']);
/** By causes and gauges of the same report, which are held against the truth: test/fleets/read/job-findings.ts reads them. */
const READ: ReadonlySet<string> = new Set([
  ...['hang', 'idle-head', 'pauses', 'kernel-gaps', 'low-occupancy', 'no-tensor'],
  ...SLOWEST,
]);

interface Told {
  readonly rule: string;
  readonly text: string;
  readonly lostGpuUs?: number;
  readonly confidence: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly gpus: readonly string[];
  readonly limit?: { readonly value: number; readonly unit: string; readonly source: string };
  readonly evidence: readonly string[];
  readonly command?: string;
}

/** What broke, then what cost most. */
function inOrder(all: readonly Told[]): readonly Told[] {
  const placeOf = ({ rule }: Told): number => RULES.indexOf(rule);
  const costOf = (one: Told): number => (placeOf(one) < FAULTS ? Infinity : (one.lostGpuUs ?? 0));
  return all.toSorted(
    (a, b) => (costOf(a) === costOf(b) ? 0 : costOf(b) - costOf(a)) || placeOf(a) - placeOf(b),
  );
}

/** What is said of every finding beside its sentence. */
function wrongWeight(told: Told, { devices, startUs, endUs, run }: JobTruth): Wrong {
  const { rule, lostGpuUs = 1, confidence, fromUs, toUs, gpus, limit, command } = told;
  const isOther = rule === 'out-of-memory';
  if (!(lostGpuUs > 0)) return 'some time, or none at all';
  if (isOther ? confidence !== 'told' : !['samples', 'minutes'].includes(confidence)) return 'a confidence';
  if (!(startUs <= fromUs && fromUs <= toUs && toUs <= endUs)) return `from ${startUs} to ${endUs}`;
  const known = devices.map(({ ledger }) => ledger.device.uuid);
  if (gpus.length === 0 || !gpus.every((gpu) => known.includes(gpu))) return known.join();
  if (limit !== undefined && !(limit.value > 0 && limit.source !== 'the configuration'))
    return 'a usual limit with its source';
  if (command === undefined) return undefined;
  return run.isRecorded && /^#SBATCH --(gres=gpu:|gpus=|exclude=|nodes=)\S+$/.test(command)
    ? undefined
    : 'no command';
}

/** @param oldestSampleUs where it is told, since the job began before it */
export function expectedFindings(truth: JobTruth, oldestSampleUs: number | undefined): Check {
  const { certain, possible } = findingsTruth(truth);
  return (got) => {
    const all = got as unknown as readonly Told[];
    const findings = all.filter(({ rule }) => !READ.has(rule));
    // That the others do less is since they wait for it.
    const hasSlowest = all.some(({ rule }) => SLOWEST.has(rule));
    const told = findings.map(({ rule }) => rule);
    const isRight =
      [...certain].every((rule) => told.includes(rule) || (hasSlowest && rule === 'imbalance')) &&
      told.every((rule) => possible.has(rule));
    if (!isRight) return `${[...certain].join()}, perhaps ${[...possible].join()}, not ${told.join()}`;
    const ordered = inOrder(all).map(({ rule }) => rule);
    if (all.map(({ rule }) => rule).join() !== ordered.join()) return `in the order ${ordered.join()}`;
    const sentences = findings.map(({ rule, text }) => wrongOf(rule, text, truth, oldestSampleUs));
    return [...sentences, ...all.map((one) => wrongWeight(one, truth))].find((wrong) => wrong !== undefined);
  };
}

function wrongOf(rule: string, text: string, truth: JobTruth, oldestSampleUs: number | undefined): Wrong {
  const sentence = SENTENCES[rule]!(truth, oldestSampleUs);
  const found = new RegExp(`^${sentence.pattern}$`).exec(text);
  const wrong = found === null ? sentence.pattern : sentence.check?.(found.slice(1));
  return wrong === undefined ? undefined : `${rule}: ${wrong}`;
}

interface Sentence {
  readonly pattern: string;
  readonly check?: (groups: readonly string[]) => Wrong;
}

/** `below 5 % or 10 %`: the limits of these devices. */
function belowText(devices: readonly DeviceTruth[]): string {
  const limits = [...new Set(devices.map(({ ledger }) => belowOf(ledger)))].sort((a, b) => a - b);
  return `below ${limits.map((limit) => `${limit * 100} %`).join(' or ')}`;
}

type SentenceOf = (truth: JobTruth, oldestSampleUs: number | undefined) => Sentence;

const PERCENT = '((?:< ?)?[\\d.]+ %)';
const HOURS = '(\\S+ GPU-hours)';

const SENTENCES: Readonly<Record<string, SentenceOf>> = {
  'no-data': ({ devices, boundaryUs }, oldestUs) => {
    const longestUs = Math.max(...devices.map(({ ownedUs }) => ownedUs));
    if (oldestUs === undefined && longestUs < boundaryUs)
      return {
        pattern: `no data: it had its GPUs for (.+), less than the time between two samples \\((.+)\\)\\.`,
        check: ([length = '', interval = '']) =>
          spanWrong(length, longestUs) ?? spanWrong(interval, boundaryUs),
      };
    return {
      pattern:
        oldestUs === undefined
          ? 'no data: nothing was sampled while the job owned its GPUs\\. Was a collector running on its nodes\\?'
          : `no data: ${agedText(oldestUs)}\\.`,
    };
  },
  'out-of-memory': memorySentence,
  unused: (truth) => {
    const unused = unusedOf(truth);
    const { length } = truth.devices;
    const some = `${unused.length} of ${length} GPUs were never used \\((.+); SM activity ${belowText(unused)} all the time\\): ${HOURS}\\. Ask for ${length - unused.length}\\.`;
    const all = `the job never used (${length === 1 ? 'its GPU' : `any of its ${length} GPUs`}) \\(SM activity ${belowText(unused)} all the time\\): ${HOURS} allocated and idle\\.`;
    const isAll = unused.length === length;
    return {
      pattern: isAll ? all : some,
      check: ([names = '', hours = '']) =>
        (isAll || names === namesOf(unused) ? undefined : namesOf(unused)) ??
        hoursWrong(
          hours,
          unused.reduce((us, one) => us + one.attributedUs, 0),
        ),
    };
  },
  idle: (truth) => {
    const { idleUs, knownUs, allUs } = idlenessOf(usedDevices(truth));
    const which =
      unusedOf(truth).length > 0
        ? 'the GPUs that were used were idle'
        : `SM activity was ${belowText(usedDevices(truth))}`;
    const when = knownUs < 0.99 * Math.max(knownUs, allUs) ? 'the time that was seen' : 'the time';
    return {
      pattern: `${which} for ${PERCENT} of ${when}: ${HOURS} idle\\.`,
      check: ([percent = '', hours = '']) =>
        ratioWrong(percent, idleUs / knownUs) ?? hoursWrong(hours, idleUs),
    };
  },
  'idle-tail': (truth) => {
    const { fromUs, untilUs } = tailOf(truth)!;
    const from = new Date(Math.floor(fromUs / 1000)).toISOString().slice(11, 19);
    return {
      pattern:
        untilUs < truth.endUs
          ? `all GPUs were idle from ${from} until their samples end \\((.+)\\)\\.`
          : `all GPUs were idle for the last (.+) \\(from ${from}\\)\\.`,
      check: ([length = '']) => spanWrong(length, untilUs - fromUs),
    };
  },
  imbalance: (truth) => {
    const means = truth.devices
      .filter((one) => (one.gauges.get('sm_active_ratio')?.knownUs ?? 0) >= 0.95 * one.ownedUs)
      .map((one) => ({ one, mean: one.gauges.get('sm_active_ratio')!.mean! }))
      .sort((a, b) => a.mean - b.mean);
    const [slowest, fastest] = [means[0]!, means.at(-1)!];
    return {
      pattern: `the load is uneven: (.+) had ${PERCENT} SM activity, (.+) ${PERCENT}\\.`,
      check: ([slow = '', least = '', fast = '', most = '']) =>
        (slow === namesOf([slowest.one]) ? undefined : namesOf([slowest.one])) ??
        ratioWrong(least, slowest.mean) ??
        (fast === namesOf([fastest.one]) ? undefined : namesOf([fastest.one])) ??
        ratioWrong(most, fastest.mean),
    };
  },
  dips: ({ dips }) => ({
    pattern: `SM activity falls to ${PERCENT} for (.+) every (.+) on all GPUs \\(checkpoints\\?\\): ${PERCENT} of the time\\.`,
    check: ([floor = '', length = '', period = '', part = '']) =>
      ratioWrong(floor, dips!.floorRatio) ??
      spanWrong(length, dips!.lengthUs) ??
      spanWrong(period, dips!.periodUs) ??
      ratioWrong(part, dips!.timeRatio),
  }),
  'memory-half': ({ devices }) => {
    const { peakBytes, ratio } = fullestOf(devices)!;
    return {
      pattern: `GPU memory peaked at (\\S+ GiB) \\(${PERCENT} of the device\\): a GPU or MIG slice of half the memory would do\\.`,
      check: ([peak = '', percent = '']) => memoryWrong(peak, peakBytes) ?? ratioWrong(percent, ratio),
    };
  },
  fragmented: (truth) => {
    const { nodes, enough, smallest } = spreadOf(truth)!;
    return {
      pattern: `its ${truth.devices.length} GPUs are on ${nodes} nodes; ${enough} nodes? of ${smallest} would hold them: what they send each other goes over the network\\.`,
    };
  },
  coverage: ({ all, mixedUs }, oldestUs) => {
    const rest = oldestUs === undefined ? 'the rest was not sampled' : agedText(oldestUs);
    const why = mixedUs > 0 ? 'of samples of the rest it cannot be told whose they are' : rest;
    return {
      pattern: `the figures speak for (.+?) of the owned time only; ${why}\\.`,
      check: ([seen = '']) => coverageWrong(seen, all.sampledUs / all.ownedUs),
    };
  },
  'energy-check': ({ all }) => ({
    pattern: `energy counter and power integral differ by ${PERCENT}: one of the two sensors is wrong\\.`,
    check: ([stray = '']) => ratioWrong(stray, strayOf(all.energy)!),
  }),
};

function agedText(oldestUs: number): string {
  const at = new Date(Math.floor(oldestUs / 1000)).toISOString();
  return `the oldest sample is of ${at.slice(0, 10)} ${at.slice(11, 19)} UTC, older ones have aged out or were never taken`;
}

function memorySentence({ run, devices }: JobTruth): Sentence {
  const isTold = run.isRecorded && run.state === 'OUT_OF_MEMORY';
  const how = isTold ? 'the job ended out of memory' : 'the job failed with its GPU memory full';
  const fullest = fullestOf(devices);
  if (fullest === undefined) return { pattern: `${how}\\.` };
  const isFull = fullest.ratio >= 0.95;
  const unseen = isMemoryKnown(devices) ? ", so it was the host's memory" : ' while it was seen';
  return {
    pattern: `${how}; GPU memory reached ${PERCENT} on (.+?)${isFull ? '' : unseen}\\.`,
    check: ([percent = '', name = '']) =>
      ratioWrong(percent, fullest.ratio) ??
      (fullest.names.includes(name) ? undefined : fullest.names.join(' or ')),
  };
}

/** The fullest device in relation to its size; several may be so. */
function fullestOf(
  devices: readonly DeviceTruth[],
): { readonly peakBytes: number; readonly ratio: number; readonly names: readonly string[] } | undefined {
  const known = devices.flatMap((one) => {
    const peakBytes = one.gauges.get('fb_used_bytes')?.max;
    return peakBytes === undefined
      ? []
      : [{ peakBytes, ratio: peakBytes / one.ledger.device.memoryBytes, name: namesOf([one]) }];
  });
  const ratio = Math.max(...known.map((one) => one.ratio));
  const fullest = known.filter((one) => one.ratio === ratio);
  return fullest.length === 0
    ? undefined
    : { peakBytes: fullest[0]!.peakBytes, ratio, names: fullest.map(({ name }) => name) };
}

/** `n1 gpu 0, 1, n2 gpu 4–7, n3 gpu 0/3g.40gb·9f2c`: of one node neighbours together, where none is a MIG instance. */
function namesOf(devices: readonly DeviceTruth[]): string {
  const names = [...Map.groupBy(devices, ({ ledger }) => ledger.device.node)].map(([node, own]) => {
    const all = own.map(({ ledger }) => ledger.device);
    const numbers = all.map(({ index, instance, uuid }) =>
      instance === undefined ? String(index) : `${index}/${instance.profile}·${uuid.slice(-4)}`,
    );
    const isPlain = all.every(({ instance }) => instance === undefined);
    return `${node} gpu ${isPlain ? rangesOf(all.map(({ index }) => index)) : numbers.join(', ')}`;
  });
  return names.join(', ');
}

function rangesOf(indexes: readonly number[]): string {
  const left = indexes.toSorted((a, b) => a - b);
  const texts: string[] = [];
  while (left.length > 0) {
    const from = left.shift()!;
    let to = from;
    while (left[0] === to + 1) to = left.shift()!;
    texts.push(to === from ? String(from) : to === from + 1 ? `${from}, ${to}` : `${from}–${to}`);
  }
  return texts.join(', ');
}
