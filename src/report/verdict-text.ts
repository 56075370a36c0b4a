import type { JobFigures } from '../figures/job/figures.ts';
import { verdictOf, type Now, type Verdict } from '../figures/job/verdict.ts';
import { CAUSE_LABELS } from './causes-text.ts';
import { deviceName } from './text/device-name.ts';
import { clockTime, formatGpuHours, formatNumber, formatRatio, formatSpan } from './text/format-quantity.ts';
import { NO_DEVICES } from './text/wording.ts';

/** What was seen passes for all of the time from here on. */
const SEEN_RATIO_MIN = 0.99;
const HOUR_US = 3600e6;

/** One sentence on what the job did. Of what was not seen it says how much that was. */
export function verdictText(figures: JobFigures): string {
  if (figures.devices.length === 0) return `no data: ${NO_DEVICES}`;
  const verdict = verdictOf(figures);
  // A first sample speaks for no time.
  if (figures.all.samples === 0 || verdict.seenUs === 0)
    return `no data: none of its ${formatGpuHours(verdict.ownedUs)} was seen`;
  const texts = [
    nowText(figures, verdict.now),
    faultText(verdict),
    useText(figures, verdict),
    lostText(verdict),
    untoldText(verdict),
    unseenText(verdict),
  ].filter((text) => text !== undefined);
  return texts.join('; ');
}

function nowText({ isOpen, endUs }: JobFigures, now: Now | undefined): string | undefined {
  if (!isOpen) return undefined;
  if (now === undefined) return 'running';
  if (now.state === 'active') return 'running, at work';
  const since = clockTime(now.sinceUs);
  const length = formatSpan(endUs - now.sinceUs);
  switch (now.state) {
    case 'idle':
      return `running, all GPUs idle since ${since} (${length})`;
    case 'hangs':
      return `running, no progress since ${since} (${length})`;
    case 'quiet':
      return `running, last active at ${since} (${length} ago)`;
    case 'not_seen':
      return `running, not seen since ${since} (${length})`;
  }
}

/** What broke. */
function faultText({ faults: [first, ...more] }: Verdict): string | undefined {
  if (first === undefined) return undefined;
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  if (first.rule === 'xid') return `XID ${first.event.code ?? '?'} on ${deviceName(first.device)}${others}`;
  if (first.rule === 'crash-loop') return `failed soon, ${first.count} runs one after the other${others}`;
  return `${first.rule === 'out-of-memory' && first.isTold ? 'ended out of memory' : 'failed with full GPU memory'}${others}`;
}

function useText(
  { all: { used }, isOpen, findings }: JobFigures,
  { effectiveUs, seenUs, ownedUs, isHealthy }: Verdict,
): string {
  const isAll = seenUs >= SEEN_RATIO_MIN * ownedUs;
  const of = isAll
    ? `${formatGpuHours(ownedUs)}${isOpen ? ' so far' : ''}`
    : `the ${formatGpuHours(seenUs)} that were seen`;
  if (effectiveUs === undefined) {
    if (used === undefined) return `nothing tells what its GPUs did in ${of}`;
    const { value, knownUs } = used;
    const known =
      knownUs >= SEEN_RATIO_MIN * seenUs ? of : `the ${formatGpuHours(knownUs)} in which it is known`;
    return `SM activity made use of ${formatRatio(value / knownUs)} of ${known}, and where the rest went is not told`;
  }
  const effective = `${formatRatio(seenUs > 0 ? effectiveUs / seenUs : 0)} of ${of} were effective`;
  if (isHealthy) return `a healthy job: ${effective}`;
  return findings.length === 0 ? `nothing stands out: ${effective}` : effective;
}

function lostText({ lost, isHealthy }: Verdict): string | undefined {
  if (lost.length === 0 || isHealthy) return undefined;
  const texts = lost.map(({ cause, us, range, device }) => {
    const label = device === undefined ? CAUSE_LABELS[cause] : `waiting for ${deviceName(device)}`;
    const hours =
      range === undefined
        ? formatGpuHours(us)
        : `${formatNumber(range.leastUs / HOUR_US)} to ${formatGpuHours(range.mostUs)}`;
    return `${label} (${hours})`;
  });
  return `most lost: ${texts.join(', ')}`;
}

function untoldText({ untoldUs, seenUs }: Verdict): string | undefined {
  if (untoldUs <= (1 - SEEN_RATIO_MIN) * seenUs) return undefined;
  return `for ${formatGpuHours(untoldUs)} of it the activity of the engine is not known`;
}

function unseenText({ seenUs, ownedUs }: Verdict): string | undefined {
  if (seenUs >= SEEN_RATIO_MIN * ownedUs) return undefined;
  const unseenUs = ownedUs - seenUs;
  return `${formatGpuHours(unseenUs)} (${formatRatio(unseenUs / ownedUs)}) were not seen`;
}
