import { LABELS, note, takeExactly, takeMatch, type Reading, type Report } from './job-lines.ts';
import { hoursWrong, ratioWrong, spanWrong, type Wrong } from './printed.ts';

/**
 * What a job report says stands out: the text against the JSON, and what the rules on causes and pipes must say against the causes
 * and gauges that stand in the same JSON, which are held against the truth.
 */
export function readFindings(reading: Reading): void {
  const { findings } = reading.report;
  if (findings.length > 0) {
    takeExactly(reading, 'blank', '');
    takeExactly(reading, 'findings', '  What stands out');
  }
  for (const { text, lostGpuUs, command } of findings.slice(0, 5)) {
    takeExactly(reading, 'finding', `  · ${text}`);
    if (lostGpuUs !== undefined) {
      const [, hours = ''] = takeMatch(reading, 'lost', /^ {6}lost: (.+)$/);
      note(reading, 'lost', hoursWrong(hours, lostGpuUs), hours);
    }
    if (command !== undefined) takeExactly(reading, 'command', `      type: ${command}`);
  }
  const more = findings.length - 5;
  if (more > 0)
    takeExactly(reading, 'more', `  and ${more} more finding${more === 1 ? '' : 's'}: --json has all`);
  readNotTold(reading);
  for (const [rule, wrong] of rulesWrong(reading.report))
    note(reading, rule, wrong, JSON.stringify(findings));
}

/** Where the engine was not recorded that is told beside the causes. */
function readNotTold(reading: Reading): void {
  const { rulesNotTold = [], causes } = reading.report;
  const lack = (key: string): string => (key === 'fp32' ? 'FP32 active' : LABELS[key]!);
  const shown = rulesNotTold.filter(
    ({ lacks }) => !(causes?.notTold === 'no_engine' && lacks.includes('engineActive')),
  );
  if (shown.length === 0) return;
  takeExactly(reading, 'blank', '');
  const texts = shown.map(({ rule, lacks }) => `${rule} (not recorded: ${lacks.map(lack).join(', ')})`);
  takeExactly(reading, 'not told', `  not told: ${texts.join('; ')}`);
}

type Wrongs = [rule: string, wrong: Wrong][];

function rulesWrong(report: Report): Wrongs {
  return [...causesWrong(report), ...pipesWrong(report), ['lost', lostWrong(report)]];
}

const PERCENT = '((?:< ?)?[\\d.]+ %)';

/** Sentences with the percents that are told in them, in their order. */
const SENTENCES: Readonly<Record<string, string>> = {
  pauses: `all GPUs rested together for ${PERCENT} of the time, in pauses of five seconds and more \\(checkpoints, evaluation, a change of data\\?\\)\\.`,
  'kernel-gaps': `no kernel ran for ${PERCENT} of the time, between others: late input, code of the host, or launches\\.`,
  'low-occupancy': `some kernel ran for ${PERCENT} of the time, which nvidia-smi calls utilization, but on the mean ${PERCENT} of the SMs were active: small kernels, or kernels that wait\\.`,
  'no-tensor': `SM activity was ${PERCENT}, that of the FP32 pipe ${PERCENT}, of the tensor cores ${PERCENT}: numbers of 16 bits or TF32 \\(PyTorch: set_float32_matmul_precision\\("high"\\)\\) would use them\\.`,
};
const HANG =
  /^no progress for (.+?) from ([\d:]{8})(, and \d+ more such times)?: kernels ran on all GPUs and computed, read and sent nothing\. Processes that waited for each other\?$/;
const HEAD =
  /^no GPU did anything for the first (.+) \(until ([\d:]{8}); (.+) of its time\): what was it waiting for\?$/;

/** The rule speaks if and only if it must, and its percents are these. */
function expectRule({ findings }: Report, rule: string, must: boolean, ratios: readonly number[]): Wrong {
  const found = findings.find((one) => one.rule === rule);
  if (found === undefined || !must) return (found !== undefined) === must ? undefined : `${rule}: ${must}`;
  const told = new RegExp(`^${SENTENCES[rule]!}$`).exec(found.text);
  if (told === null) return SENTENCES[rule];
  return ratios.map((ratio, at) => ratioWrong(told[at + 1]!, ratio)).find((wrong) => wrong !== undefined);
}

/** When it was, as far as it is told at all. */
function timedWrong({ findings, startUs, endUs, causes }: Report): Wrongs {
  const clock = (us: number): string => new Date(Math.floor(us / 1000)).toISOString().slice(11, 19);
  return findings.flatMap(({ rule, text, fromUs, toUs }): Wrongs => {
    if (rule === 'hang') {
      const [, length = '', from] = HANG.exec(text) ?? [];
      const isRight = from === clock(fromUs) && causes?.parts?.['hang'] !== undefined;
      return [[rule, isRight ? spanWrong(length, toUs - fromUs) : clock(fromUs)]];
    }
    if (rule !== 'idle-head') return [];
    const [, length = '', until, percent = ''] = HEAD.exec(text) ?? [];
    const isRight = until === clock(toUs) && causes?.parts?.['idleHead'] !== undefined && fromUs === startUs;
    return [
      [rule, isRight ? spanWrong(length, toUs - fromUs) : clock(toUs)],
      [rule, ratioWrong(percent, (toUs - fromUs) / (endUs - startUs))],
    ];
  });
}

const OF_CAUSES = ['hang', 'idle-head', 'pauses', 'kernel-gaps'];

function causesWrong(report: Report): Wrongs {
  const { causes, dips, findings, rulesNotTold = [] } = report;
  const parts = causes?.parts;
  const lacking = rulesNotTold.map(({ rule }) => rule).filter((rule) => OF_CAUSES.includes(rule));
  const wanted = causes?.notTold === 'no_engine' ? OF_CAUSES : [];
  const notTold = lacking.join() === wanted.join() ? undefined : wanted.join();
  if (parts === undefined) {
    const told = findings.filter(({ rule }) => OF_CAUSES.includes(rule)).map(({ rule }) => rule);
    return [['without causes', told.length === 0 ? notTold : 'no rule on causes']];
  }
  const seenUs = causes!.ownedUs - (parts['notSeen']?.us ?? 0);
  const ratioOf = (cause: string): number => (parts[cause]?.us ?? 0) / seenUs;
  const atLeast = (rule: string, ratio: number, limit: number): [string, Wrong] => [
    rule,
    expectRule(report, rule, ratio >= limit && !(rule === 'pauses' && dips !== undefined), [ratio]),
  ];
  return [
    ['not told', notTold],
    atLeast('pauses', ratioOf('pause'), 0.05),
    atLeast('kernel-gaps', ratioOf('gaps'), 0.15),
    ...timedWrong(report),
  ];
}

/** By the job's means, as far as they are known for nearly all that was seen. */
function pipesWrong(report: Report): Wrongs {
  const { gauges, sampledUs, smShares, causes, rulesNotTold = [], devices, samples } = report;
  const meanOf = (wanted: string): number | undefined => {
    const gauge = gauges.find(({ key }) => key === wanted);
    return gauge?.mean === null || (gauge?.knownUs ?? 0) < 0.95 * sampledUs ? undefined : gauge?.mean;
  };
  const [sm, busy, tensor] = [
    meanOf('smActive'),
    meanOf('gpuUtil') ?? meanOf('engineActive'),
    meanOf('tensorActive'),
  ];
  const fp32 = smShares?.['fp32']?.ratio;
  const lackOf = (rule: string): string =>
    rulesNotTold
      .filter((one) => one.rule === rule)
      .flatMap(({ lacks }) => lacks)
      .join();
  if (sm === undefined || samples === 0) {
    const silent = ['low-occupancy', 'no-tensor'].map((rule): [string, Wrong] => [
      rule,
      expectRule(report, rule, false, []),
    ]);
    return [
      ...silent,
      ['not told', lackOf('low-occupancy') + lackOf('no-tensor') === '' ? undefined : 'nothing'],
    ];
  }
  const parts = causes?.parts;
  const lowRatio =
    parts === undefined ? 1 : (parts['low']?.us ?? 0) / (causes!.ownedUs - (parts['notSeen']?.us ?? 0));
  const isLow = busy !== undefined && busy >= 0.8 && sm < 0.25 && lowRatio >= 0.25;
  const isFast = devices.every(({ model }) => /\b(A100|A30|A40|L4|L40S?|H100|H200|B200)\b/.test(model));
  const isFlat =
    sm >= 0.6 && tensor !== undefined && tensor < 0.02 && fp32 !== undefined && fp32 * sm >= 0.15;
  const mayBeFlat = isFast && sm >= 0.6 && (tensor === undefined || tensor < 0.02);
  const lacks = mayBeFlat
    ? [tensor === undefined ? 'tensorActive' : '', fp32 === undefined ? 'fp32' : '']
    : [];
  const wanted = lacks.filter((key) => key !== '').join();
  return [
    ['low-occupancy', expectRule(report, 'low-occupancy', isLow, [busy ?? 0, sm])],
    ['no-tensor', expectRule(report, 'no-tensor', isFlat && isFast, [sm, (fp32 ?? 0) * sm, tensor ?? 0])],
    ['not told', lackOf('no-tensor') === wanted ? undefined : wanted],
    [
      'not told',
      lackOf('low-occupancy') === (sm < 0.25 && busy === undefined ? 'engineActive' : '')
        ? undefined
        : 'low-occupancy',
    ],
  ];
}

/** What findings cost is time that was seen, each once; of devices that were never used it is all of that. */
function lostWrong({ findings, attributedUs, causes, devices }: Report): Wrong {
  const sumUs = findings.reduce((us, { lostGpuUs = 0 }) => us + lostGpuUs, 0);
  const seenUs =
    causes?.parts === undefined ? attributedUs : causes.ownedUs - (causes.parts['notSeen']?.us ?? 0);
  if (sumUs > seenUs + 1) return `${seenUs} µs in all`;
  const unused = findings.find(({ rule }) => rule === 'unused');
  if (unused === undefined) return undefined;
  const wanted = devices
    .filter(({ gpu }) => unused.gpus.includes(gpu))
    .reduce((us, device) => us + seenOf(device), 0);
  return Math.abs((unused.lostGpuUs ?? 0) - wanted) <= 1 ? undefined : `${wanted} µs unused`;
}

function seenOf({ causes, attributedUs }: Report['devices'][number]): number {
  if (causes?.parts === undefined) return attributedUs;
  return causes.ownedUs - (causes.parts['notSeen']?.us ?? 0);
}
