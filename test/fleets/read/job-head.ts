import { RANKED } from './csv.ts';
import { coverageWrong, hoursWrong, spanWrong, type Wrong } from './printed.ts';
import { LABELS, note, takeExactly, takeMatch, type Device, type Reading } from './job-lines.ts';

/** What a job report begins with: whose the job was and when, how much of it was seen, and where its figures are from. */

export function readHead(reading: Reading): void {
  const { report } = reading;
  const {
    jobId,
    name,
    state = 'ended',
    exitCode,
    user,
    account,
    partition,
    cluster,
    run,
    otherRuns,
  } = report;
  const exit = exitCode === undefined ? '' : ` (exit ${exitCode})`;
  takeExactly(reading, 'title', [`Job ${jobId}`, name, `${state}${exit}`].filter(Boolean).join(' · '));
  const [, who = '', nodes, models = ''] = takeMatch(reading, 'who', /^ {2}(?:(.+) · )?(\d+) nodes?, (.+)$/);
  const named = (what: string, name: string | undefined): string[] =>
    name === undefined ? [] : [`${what}${name}`];
  const wanted = [
    ...[...named('', user), ...named('account ', account)],
    ...[...named('partition ', partition), ...named('cluster ', cluster)],
  ].join(', ');
  note(reading, 'who', who === wanted ? undefined : wanted, who);
  const nodeCount = new Set(report.devices.map(({ node }) => node)).size;
  note(reading, 'nodes', Number(nodes) === nodeCount ? undefined : String(nodeCount), nodes ?? '');
  note(reading, 'models', modelsWrong(models, report.devices), models);
  const [, from = '', to = '', length = ''] = takeMatch(reading, 'period', /^ {2}(.+) → (.+) UTC \((.+)\)$/);
  note(reading, 'start', timeWrong(from, report.startUs), from);
  note(reading, 'end', timeWrong(to, report.endUs), to);
  note(reading, 'length', spanWrong(length, report.endUs - report.startUs), length);
  readCoverage(reading);
  readOrigin(reading);
  if (report.sharing !== 'whole') {
    const ways: Record<string, string> = {
      stated: 'by stated shares',
      measured: 'by measured use',
      equal: 'in equal parts',
    };
    const what =
      report.sharing === 'stated' ? 'hours and energy' : 'hours and energy that no stated share covers';
    takeExactly(reading, 'sharing', `  shares its GPUs: ${what} are divided ${ways[report.sharing]!}`);
  }
  if (report.areSharesScaled === true)
    takeExactly(
      reading,
      'scaled',
      '  the stated shares add up to more than a GPU: made smaller in proportion',
    );
  if (otherRuns.length > 0)
    takeExactly(reading, 'runs', `  run ${run} of this job id; others: ${otherRuns.join(', ')} (--run N)`);
  const { otherJobs } = report;
  if (otherJobs.length === 0) return;
  takeMatch(
    reading,
    'others',
    new RegExp(`^ {2}not the only job with this id; ${otherJobs.length} others?:$`),
  );
  for (const { command, startUs, user: theirs, state: ended } of otherJobs) {
    const line = reading.lines.shift() ?? '';
    const at = new Date(Math.floor(startUs / 1000)).toISOString();
    const told = [command, `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`, theirs, ended].filter(Boolean);
    const isRight =
      line
        .trim()
        .split(/\s{2,}/)
        .join('  ') === told.join('  ');
    note(reading, 'other', isRight ? undefined : told.join('  '), line);
  }
}

function readCoverage(reading: Reading): void {
  const { coverageRatio, gapCount, gapUs, attributedUs, sharing, boundaryUs } = reading.report;
  if (coverageRatio === undefined) {
    const [, hours = '', ofDevices] = takeMatch(
      reading,
      'seen',
      /^ {2}no data for its (\S+ GPU-hours)(?: \((\S+ device-hours), MIG instances by slices\))?$/,
    );
    ownedHours(reading, hours, ofDevices);
    return;
  }
  const [, seen = '', owned = '', ofDevices, gaps, gapTime = '', missing, part, boundary = ''] = takeMatch(
    reading,
    'seen',
    /^ {2}seen (.+ %) of (\S+ GPU-hours)(?: \((\S+ device-hours), MIG instances by slices\))?(?: \((?:(\d+) gaps?, (.+?) of GPU time)?(?:; )?(?:(.+) missing here and there)?\))?(?: · its part (\S+ GPU-hours))? · boundaries ± (.+)$/,
  );
  note(reading, 'seen', coverageWrong(seen, coverageRatio), seen);
  ownedHours(reading, owned, ofDevices);
  note(reading, 'gaps', Number(gaps ?? 0) === gapCount ? undefined : String(gapCount), gaps ?? 'none');
  if (gapCount > 0) note(reading, 'gap time', spanWrong(gapTime, gapUs), gapTime);
  const { unplacedGaps } = reading.report;
  if (unplacedGaps !== undefined)
    note(reading, 'unplaced', spanWrong(missing ?? '', unplacedGaps.us), missing ?? 'nothing');
  if (sharing !== 'whole') note(reading, 'part', hoursWrong(part ?? '', attributedUs), part ?? '');
  note(reading, 'boundary', spanWrong(boundary, boundaryUs), boundary);
}

/** @param ofDevices hours of the devices, where MIG instances among them count by their slices */
function ownedHours(reading: Reading, hours: string, ofDevices: string | undefined): void {
  const { ownedUs, ownedGpuUs } = reading.report;
  note(reading, 'owned', hoursWrong(hours, ownedGpuUs ?? ownedUs), hours);
  const wrong = ofDevices === undefined ? undefined : hoursWrong(ofDevices, ownedUs, 'device');
  const isDue = ownedGpuUs !== undefined;
  note(reading, 'owned', isDue === (ofDevices !== undefined) ? wrong : `${ownedUs} µs`, ofDevices ?? hours);
}

/** What has aged out, by what ranks are told, and what is left out. */
function readOrigin(reading: Reading): void {
  const { isFromRollups, oldestSampleUs, gauges, mixedUs } = reading.report;
  if (isFromRollups === true) {
    const [, since] = takeMatch(
      reading,
      'aged',
      /^ {2}its samples(?: before (.+) UTC)? have aged out: sums are from the rollups, dips of less than a minute are not seen$/,
    );
    const wrong = oldestSampleUs === undefined ? undefined : timeWrong(since ?? '', oldestSampleUs);
    note(reading, 'aged', wrong, since ?? '');
  }
  const unranked = gauges.filter(
    ({ key, p50, knownUs }) => RANKED.has(key) && p50 === undefined && knownUs > 0,
  );
  if (isFromRollups === true && unranked.length > 0) {
    const [, list = ''] = takeMatch(
      reading,
      'unranked',
      /^ {2}no p50 and p95 of (.+): no hour of the histograms is of this run alone$/,
    );
    const wanted = unranked.map(({ key }) => LABELS[key]!).join(', ');
    note(reading, 'unranked', list === wanted ? undefined : wanted, list);
  }
  const barred = gauges.filter(({ barWidth }) => barWidth !== undefined);
  if (barred.length > 0) {
    const [, list = ''] = takeMatch(reading, 'bars', /^ {2}p50 and p95 are the middles of bars: (.+)$/);
    const wanted = barred.map(({ key }) => `${LABELS[key]!} ± ${key === 'power' ? '2.5 W' : '0.5 %'}`);
    note(reading, 'bars', list === wanted.join(', ') ? undefined : wanted.join(', '), list);
  }
  if (mixedUs !== undefined) {
    const [, hours = ''] = takeMatch(
      reading,
      'mixed',
      /^ {2}(\S+ GPU-hours) are left out: another run had the GPU within the same hour, and the samples have aged out$/,
    );
    note(reading, 'mixed', hoursWrong(hours, mixedUs), hours);
  }
}

/** `2 x H100 80 GiB, 1 x A30 2g.12gb 12 GiB`. */
function modelsWrong(text: string, devices: readonly Device[]): Wrong {
  const counts = new Map<string, number>();
  for (const { model, migProfile, memoryBytes } of devices) {
    const name = [model.replace('NVIDIA ', ''), migProfile, `${Math.round(memoryBytes / 2 ** 30)} GiB`];
    const key = name.filter(Boolean).join(' ');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const wanted = [...counts].map(([name, count]) => `${count} x ${name}`);
  return wanted.toSorted().join() === text.split(', ').toSorted().join() ? undefined : wanted.join(', ');
}

/** With its date, or, of an end on the same day, without. */
function timeWrong(text: string, us: number): Wrong {
  const iso = new Date(Math.floor(us / 1000)).toISOString();
  const full = `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
  return text === full || text === full.slice(11) ? undefined : full;
}
