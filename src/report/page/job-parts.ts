import { HOUR_US } from '../../core/base/hour.ts';
import type { Finding, JobFigures } from '../../figures/job/figures.ts';
import { verdictOf } from '../../figures/job/verdict.ts';
import { CAUSE_LABELS, causeNotes, shownCauses } from '../causes-text.ts';
import { findingText } from '../finding-text.ts';
import { deviceNames } from '../text/device-name.ts';
import {
  clockTime,
  formatCoverage,
  formatGpuHours,
  formatHours,
  formatQuantity,
  formatRatio,
  formatSpan,
  hourDecimals,
  NOT_KNOWN,
} from '../text/format-quantity.ts';
import { markup, type Safe } from './html.ts';

/** Nobody reads on. */
const FINDINGS_MAX = 5;
const BAR = { width: 960, height: 34 } as const;
/** Narrower than this a part of the bar has no room for its name. */
const NAMED_WIDTH_MIN = 90;

interface Tile {
  readonly value: string;
  readonly name: string;
  readonly note: string;
}

/** Four numbers, each with what it is worth. */
export function tilesOf(figures: JobFigures, energyText: string | undefined): Safe {
  const { all, analysis } = figures;
  const { ownedUs, seenUs, effectiveUs, lost } = verdictOf(figures);
  const lostUs = effectiveUs === undefined ? undefined : Math.max(0, seenUs - effectiveUs);
  const steps = analysis.steps?.found;
  const perStep =
    steps !== undefined && 'periodUs' in steps && steps.joulesPerStep !== undefined
      ? `${formatQuantity({ value: steps.joulesPerStep, unit: 'joules', knownUs: 1 })} a step`
      : undefined;
  const means = figures.gauges
    .filter(({ key }) => key === 'smActive' || key === 'tensorActive')
    .map(({ key, mean }) => `${key === 'smActive' ? 'SM' : 'tensor'} ${formatQuantity(mean)}`);
  const tiles: Tile[] = [
    {
      value: formatGpuHours(ownedUs),
      name: figures.sharing === 'whole' ? 'owned' : 'owned, by its part of shared GPUs',
      note:
        all.coverage === undefined ? 'nothing of it was seen' : `seen ${formatCoverage(all.coverage.value)}`,
    },
    {
      value: effectiveUs === undefined || seenUs === 0 ? NOT_KNOWN : formatRatio(effectiveUs / seenUs),
      name: 'effective, of what was seen',
      note: means.join(', '),
    },
    {
      value: lostUs === undefined || seenUs === 0 ? NOT_KNOWN : formatGpuHours(lostUs),
      name: 'not effective',
      note: lost.length === 0 ? '' : `most: ${CAUSE_LABELS[lost[0]!.cause]}`,
    },
    {
      value: formatQuantity(all.energy.best),
      name: 'energy',
      note: perStep ?? (energyText === undefined ? '' : energyText.replace(/^[^(]*/, '')),
    },
  ];
  return markup`<dl class="tiles">
    ${tiles.map(
      ({ value, name, note }) =>
        markup`<div class="tile">
          <dt>${name}</dt>
          <dd>${value}</dd>
          <dd class="note">${note}</dd>
        </div>`,
    )}
  </dl>`;
}

/** One bar of all the owned time, and a table of the same. */
export function causeBar({ causes }: JobFigures): Safe | undefined {
  return causes === undefined || 'why' in causes
    ? undefined
    : causesHtml(causes, (allUs) => causeNotes(causes, allUs));
}

/** The same of several jobs together. @param notesOf what is to be known of them, given all of the time in µs */
export function causesHtml(
  causes: Parameters<typeof shownCauses>[0],
  notesOf: (allUs: number) => readonly string[],
): Safe | undefined {
  const shown = shownCauses(causes);
  const allUs = shown.reduce((sum, { us }) => sum + us, 0);
  if (allUs === 0) return undefined;
  const decimals = hourDecimals(Math.max(...shown.map(({ us }) => us)) / HOUR_US);
  let beforeUs = 0;
  const parts = shown.map(({ cause, us }) => {
    const [from, width] = [(beforeUs / allUs) * BAR.width, (us / allUs) * BAR.width];
    beforeUs += us;
    const name = `${CAUSE_LABELS[cause]}: ${formatRatio(us / allUs)}`;
    return markup`<g
      ><title>${name}</title
      ><rect
        class="cause ${cause}"
        x="${round(from)}"
        y="0"
        width="${round(width)}"
        height="${BAR.height}"
      />${width >= NAMED_WIDTH_MIN && markup`<text class="in-bar" x="${round(from + 8)}" y="22">${name}</text>`}</g
    >`;
  });
  const rows = shown.map(
    ({ cause, us, joules }) =>
      markup`<tr>
        <th scope="row">
          <svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">
            <rect class="cause ${cause}" width="10" height="10" /></svg
          >${CAUSE_LABELS[cause]}
        </th>
        <td>${formatRatio(us / allUs)}</td>
        <td>${formatHours(us, decimals)} h</td>
        <td>
          ${joules === undefined ? NOT_KNOWN : formatQuantity({ value: joules, unit: 'joules', knownUs: us })}
        </td>
      </tr>`,
  );
  return markup`<section aria-labelledby="causes">
    <h2 id="causes">Where the time went</h2>
    <svg
      class="bar"
      viewBox="0 0 ${BAR.width} ${BAR.height}"
      preserveAspectRatio="none"
      role="img"
      aria-label="Parts of the owned time; the table below has them"
    >
      ${parts}
    </svg>
    <div class="scrolls" role="region" tabindex="0" aria-label="Table, which scrolls">
      <table>
        <thead>
          <tr>
            <th scope="col"></th>
            <th scope="col">of the time</th>
            <th scope="col">GPU-hours</th>
            <th scope="col">energy</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
    ${notesOf(allUs).map((note) => markup`<p class="note">${note}</p>`)}
  </section>`;
}

/** What stands out, what it cost, and what to type. */
export function findingCards(figures: JobFigures): Safe | undefined {
  const { findings } = figures;
  if (findings.length === 0) return undefined;
  const more = findings.length - FINDINGS_MAX;
  return markup`<section aria-labelledby="findings">
    <h2 id="findings">What stands out</h2>
    <div class="cards">${findings.slice(0, FINDINGS_MAX).map((finding) => cardOf(finding, figures))}</div>
    ${more > 0 && markup`<p class="note">and ${more} more: --json has all</p>`}
  </section>`;
}

function cardOf(finding: Finding, { devices, startUs, endUs }: JobFigures): Safe {
  const { rule, lostGpuUs, command, fromUs, toUs, gpus } = finding;
  const own = devices.filter(({ gpu }) => gpus.includes(gpu));
  const when =
    fromUs === startUs && toUs === endUs
      ? 'all of its time'
      : toUs > fromUs
        ? `${clockTime(fromUs)} to ${clockTime(toUs)} (${formatSpan(toUs - fromUs)})`
        : `at ${clockTime(fromUs)}`;
  const where = own.length === devices.length ? 'all GPUs' : deviceNames(own);
  return markup`<article class="card">
    <h3>${rule}</h3>
    ${lostGpuUs !== undefined && markup`<p class="lost">${formatGpuHours(lostGpuUs)} lost</p>`}
    <p>${findingText(finding)}</p>
    <p class="note">${when} · ${where}</p>
    ${command !== undefined && markup`<p class="command"><code>${command}</code><button type="button" class="copy" hidden>copy</button></p>`}
  </article>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
