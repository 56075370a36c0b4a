import { UNRESOLVED_PREFIX } from '../core/devices/identity.ts';
import type { Found } from '../figures/job/figures.ts';
import { slowestText } from './analysis-text.ts';
import { hardwareText } from './hardware-text.ts';
import { historyFindingText } from './history/history-text.ts';
import { hostDoingText } from './host/host-text.ts';
import { lostText } from './lost-text.ts';
import { deviceName, deviceNames } from './text/device-name.ts';
import {
  calendarDate,
  clockTime,
  formatCoverage,
  formatGpuHours,
  formatInterval,
  formatMemory,
  formatRatio,
  formatSpan,
} from './text/format-quantity.ts';
import { belowText } from './text/wording.ts';

const NAMES_MAX = 4;
/** From here on what was seen passes for all of the time. */
const SEEN_RATIO_MIN = 0.99;

/** One or two sentences for people. */
export function findingText(finding: Found): string {
  switch (finding.rule) {
    case 'no-data':
      return `no data: ${noDataText(finding)}`;
    case 'xid': {
      const { device, event } = finding;
      const what = event.text.replace(/^XID \d+: /, '');
      return `XID ${event.code ?? '?'} on ${deviceName(device)} at ${clockTime(event.tsUs)}: ${what}`;
    }
    case 'out-of-memory':
      return outOfMemoryText(finding);
    case 'throttle':
      return (
        `${deviceName(finding.device)} ran at ${formatRatio(finding.ratio)} of the others' SM activity while throttled;` +
        ' the job waits for its slowest GPU.'
      );
    case 'computes-longest':
    case 'fed-late':
      return slowestText(finding);
    case 'unused':
      return unusedText(finding);
    case 'idle':
      return idleText(finding);
    case 'idle-tail':
      return tailText(finding);
    case 'imbalance': {
      const { slowest, fastest } = finding;
      return (
        `the load is uneven: ${deviceName(slowest.device)} had ${formatRatio(slowest.mean.value)} SM activity,` +
        ` ${deviceName(fastest.device)} ${formatRatio(fastest.mean.value)}.`
      );
    }
    case 'idle-head':
    case 'hang':
    case 'pauses':
    case 'kernel-gaps':
    case 'low-occupancy':
    case 'no-tensor':
    case 'power-cap':
      return lostText(finding);
    case 'fragmented':
    case 'pcie-degraded':
      return hardwareText(finding);
    case 'dips': {
      const { floor, lengthUs, periodUs, timeRatio } = finding.dips;
      return (
        `SM activity falls to ${formatRatio(floor.value)} for ${formatSpan(lengthUs)} every` +
        ` ${formatSpan(periodUs)} on all GPUs (checkpoints?): ${formatRatio(timeRatio)} of the time.${hostDoingText('Meanwhile', finding.host)}`
      );
    }
    case 'memory-half': {
      const { peak, ratio } = finding.fullest;
      return `GPU memory peaked at ${formatMemory(peak.value)} (${formatRatio(ratio)} of the device): a GPU or MIG slice of half the memory would do.`;
    }
    case 'coverage': {
      const { coverage, oldestSampleUs, isUndivided } = finding;
      const rest = oldestSampleUs === undefined ? 'the rest was not sampled' : agedOut(oldestSampleUs);
      const why = isUndivided ? 'of samples of the rest it cannot be told whose they are' : rest;
      return `the figures speak for ${formatCoverage(coverage.value)} of the owned time only; ${why}.`;
    }
    case 'crash-loop':
    case 'regressed':
      return historyFindingText(finding);
    case 'energy-check':
      return `energy counter and power integral differ by ${formatRatio(finding.strayRatio)}: one of the two sensors is wrong.`;
  }
}

function idleText({ idle, knownRatio, areOthersUnused, limits }: Extract<Found, { rule: 'idle' }>): string {
  const which = areOthersUnused
    ? 'the GPUs that were used were idle'
    : `SM activity was ${belowText(limits)}`;
  const of = knownRatio < SEEN_RATIO_MIN ? 'the time that was seen' : 'the time';
  return `${which} for ${formatRatio(idle.value / idle.knownUs)} of ${of}: ${formatGpuHours(idle.value)} idle.`;
}

function tailText({ fromUs, lengthUs, isCutOff, isOpen }: Extract<Found, { rule: 'idle-tail' }>): string {
  const [from, length] = [clockTime(fromUs), formatSpan(lengthUs)];
  if (isCutOff) return `all GPUs were idle from ${from} until their samples end (${length}).`;
  return isOpen
    ? `all GPUs have been idle since ${from} (${length}).`
    : `all GPUs were idle for the last ${length} (from ${from}).`;
}

function noDataText({
  oldestSampleUs,
  why,
  devices,
  intervalUs,
}: Extract<Found, { rule: 'no-data' }>): string {
  if (why === 'unresolved') {
    const names = devices.map(({ gpu }) => gpu.slice(UNRESOLVED_PREFIX.length));
    const more = names.length > NAMES_MAX ? `, and ${names.length - NAMES_MAX} more` : '';
    return `which GPUs it had is not known: none goes by the name that was told (${names.slice(0, NAMES_MAX).join(', ')}${more}). gpuledger devices lists those of a node.`;
  }
  if (oldestSampleUs !== undefined) return `${agedOut(oldestSampleUs)}.`;
  if (why === 'short') {
    const ownedUs = Math.max(...devices.map((device) => device.ownedUs));
    return `it had its GPUs for ${formatSpan(ownedUs)}, less than the time between two samples (${formatInterval(intervalUs)}).`;
  }
  return 'nothing was sampled while the job owned its GPUs. Was a collector running on its nodes?';
}

function agedOut(oldestUs: number): string {
  return `the oldest sample is of ${calendarDate(oldestUs)} ${clockTime(oldestUs)} UTC, older ones have aged out or were never taken`;
}

function outOfMemoryText({
  isTold,
  fullest,
  isFull,
  isSeen,
}: Extract<Found, { rule: 'out-of-memory' }>): string {
  const how = isTold ? 'the job ended out of memory' : 'the job failed with its GPU memory full';
  if (fullest === undefined) return `${how}.`;
  const where = `GPU memory reached ${formatRatio(fullest.ratio)} on ${deviceName(fullest.device)}`;
  if (!isFull && !isSeen) return `${how}; ${where} while it was seen.`;
  return isFull ? `${how}; ${where}.` : `${how}; ${where}, so it was the host's memory.`;
}

function unusedText({
  devices,
  deviceCount,
  attributedUs,
  limits,
}: Extract<Found, { rule: 'unused' }>): string {
  const hours = formatGpuHours(attributedUs);
  if (devices.length === deviceCount) {
    const all = deviceCount === 1 ? 'its GPU' : `any of its ${deviceCount} GPUs`;
    return `the job never used ${all} (SM activity ${belowText(limits)} all the time): ${hours} allocated and idle.`;
  }
  return (
    `${devices.length} of ${deviceCount} GPUs were never used (${deviceNames(devices)}; SM activity ${belowText(limits)} all the time):` +
    ` ${hours}. Ask for ${deviceCount - devices.length}.`
  );
}
