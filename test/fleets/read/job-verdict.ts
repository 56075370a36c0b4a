import { LABELS as CAUSE_LABELS } from './causes-text.ts';
import { note, takeExactly, type Reading, type Report } from './job-lines.ts';
import { hoursWrong, isPrinted, ratioWrong, type Wrong } from './printed.ts';

/** What a job report says first: each number against the JSON. */
export function readVerdict(reading: Reading): void {
  const { verdict } = reading.report;
  takeExactly(reading, 'verdict', `verdict: ${verdict}`);
  note(reading, 'verdict', wrongIn(verdict, reading.report), verdict);
}

/** No drawn job had no GPUs. */
function wrongIn(verdict: string, report: Report): Wrong {
  const amounts = amountsOf(report);
  if (report.samples === 0 || amounts.seenUs === 0) {
    const [, hours = ''] = /^no data: none of its (.+) was seen$/.exec(verdict) ?? [];
    return hoursWrong(hours, report.causes?.ownedUs ?? report.ownedGpuUs ?? report.ownedUs);
  }
  const left = verdict.split('; ');
  const wrongs = [faultWrong(left, report), useWrong(left.shift() ?? '', report, amounts)];
  const wanted = [...lostOf(report, amounts), ...restOf(amounts)];
  if (left.length !== wanted.length) return `${wanted.length} parts behind the use`;
  return [...wrongs, ...wanted.map((wrong, at) => wrong(left[at]!))].find((wrong) => wrong !== undefined);
}

interface Amounts {
  readonly ownedUs: number;
  readonly seenUs: number;
  readonly untoldUs: number;
  readonly parts: ReadonlyMap<string, number> | undefined;
}

/** By parts and slices. */
function amountsOf({ causes, ownedUs, sampledUs, attributedUs }: Report): Amounts {
  if (causes?.parts === undefined) {
    const wholeUs = sampledUs > 0 ? (ownedUs * attributedUs) / sampledUs : ownedUs;
    const seenUs = Math.min(wholeUs, attributedUs);
    return { ownedUs: wholeUs, seenUs, untoldUs: 0, parts: undefined };
  }
  const parts = new Map(Object.entries(causes.parts).map(([cause, { us }]) => [cause, us]));
  const seenUs = causes.ownedUs - (parts.get('notSeen') ?? 0);
  return { ownedUs: causes.ownedUs, seenUs, untoldUs: parts.get('untold') ?? 0, parts };
}

function faultWrong(left: string[], { findings, state }: Report): Wrong {
  if (findings[0]?.rule !== 'out-of-memory') return undefined;
  const wanted = state === 'OUT_OF_MEMORY' ? 'ended out of memory' : 'failed with full GPU memory';
  return left.shift() === wanted ? undefined : wanted;
}

function useWrong(text: string, report: Report, { ownedUs, seenUs, parts }: Amounts): Wrong {
  const ofWrong = (of: string): Wrong => {
    if (seenUs >= 0.99 * ownedUs) return hoursWrong(of, ownedUs);
    const [, hours = ''] = /^the (.+) that were seen$/.exec(of) ?? [];
    return hoursWrong(hours, seenUs);
  };
  if (parts !== undefined) {
    const [, praise = '', percent = '', of = ''] =
      /^(a healthy job: |nothing stands out: )?(.+?) of (.+) were effective$/.exec(text) ?? [];
    const effectiveUs = parts.get('effective') ?? 0;
    const nothing = report.findings.length > 0 ? '' : 'nothing stands out: ';
    const praised = isHealthy(report, { ownedUs, seenUs, effectiveUs }) ? 'a healthy job: ' : nothing;
    return (
      (praise === praised ? undefined : `"${praised}"`) ??
      ratioWrong(percent, effectiveUs / seenUs) ??
      ofWrong(of)
    );
  }
  const { usedUs, idleKnownUs } = report;
  if (usedUs === undefined) {
    const [, of = ''] = /^nothing tells what its GPUs did in (.+)$/.exec(text) ?? [];
    return ofWrong(of);
  }
  const [, percent = '', of = ''] =
    /^SM activity made use of (.+?) of (.+), and where the rest went is not told$/.exec(text) ?? [];
  const [, known = ''] = /^the (.+) in which it is known$/.exec(of) ?? [];
  return (
    ratioWrong(percent, usedUs / idleKnownUs) ??
    (idleKnownUs >= 0.99 * seenUs ? ofWrong(of) : hoursWrong(known, idleKnownUs))
  );
}

/** A rhythm of pauses is how a sound job works. */
function isHealthy(
  { findings }: Report,
  { ownedUs, seenUs, effectiveUs }: Pick<Amounts, 'ownedUs' | 'seenUs'> & { readonly effectiveUs: number },
): boolean {
  const isSeen = seenUs >= 0.95 * ownedUs && effectiveUs >= 0.8 * seenUs;
  return isSeen && findings.every(({ rule }) => rule === 'dips');
}

const NOT_LOST: ReadonlySet<string> = new Set(['notSeen', 'untold', 'effective']);

type Reads = (text: string) => Wrong;

/** The two causes that cost most, where each is a fiftieth of what was seen. */
function lostOf(report: Report, { seenUs, ownedUs, parts }: Amounts): Reads[] {
  const effectiveUs = parts?.get('effective') ?? 0;
  const lost = [...(parts ?? [])]
    .filter(([cause, us]) => !NOT_LOST.has(cause) && us >= 0.02 * seenUs)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 2);
  if (lost.length === 0 || isHealthy(report, { ownedUs, seenUs, effectiveUs })) return [];
  return [
    (text) => {
      const told = text.replace(/^most lost: /, '').split('), ');
      if (!text.startsWith('most lost: ') || told.length !== lost.length)
        return `${lost.length} of most lost: `;
      return lost
        .map(([cause, us], at) => lossWrong(told[at]!.replace(/\)$/, ''), cause, us, report))
        .find((wrong) => wrong !== undefined);
    },
  ];
}

function lossWrong(text: string, cause: string, us: number, { causes, slowest, devices }: Report): Wrong {
  const [, name = '', hours = ''] = /^(.+) \((.+)$/.exec(text) ?? [];
  const slow = devices.find(({ gpu }) => cause === 'waiting' && gpu === slowest?.gpu);
  const wanted =
    slow === undefined ? CAUSE_LABELS[cause as keyof typeof CAUSE_LABELS] : `waiting for ${slow.node} gpu `;
  if (slow === undefined ? name !== wanted : !name.startsWith(wanted)) return wanted;
  if (cause !== 'waiting') return hoursWrong(hours, us);
  const [least = '', most = ''] = hours.split(' to ');
  return isPrinted(least, (causes!.waitingLeastUs ?? 0) / 3.6e9, 3)
    ? hoursWrong(most, causes!.waitingMostUs!)
    : `${causes!.waitingLeastUs!} µs at least`;
}

/** What nobody knows of it. */
function restOf({ ownedUs, seenUs, untoldUs }: Amounts): Reads[] {
  const untold: Reads = (text) => {
    const [, hours = ''] = /^for (.+) of it the activity of the engine is not known$/.exec(text) ?? [];
    return hoursWrong(hours, untoldUs);
  };
  const unseen: Reads = (text) => {
    const [, hours = '', percent = ''] = /^(.+) \((.+)\) were not seen$/.exec(text) ?? [];
    const us = ownedUs - seenUs;
    return hoursWrong(hours, us) ?? ratioWrong(percent, us / ownedUs);
  };
  return [...(untoldUs > 0.01 * seenUs ? [untold] : []), ...(seenUs < 0.99 * ownedUs ? [unseen] : [])];
}
