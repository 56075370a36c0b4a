import { typedId } from '../../figures/job/bearers.ts';
import { findField } from '../../core/fields/find-field.ts';
import { GAUGES } from '../../figures/gauges.ts';
import type { JobFigures } from '../../figures/job/figures.ts';
import type { EmbeddedLook } from '../../figures/job/timeline/embedded-looks.ts';
import { worthALook, type WorthALook } from '../../figures/job/timeline/worth-a-look.ts';
import { isoMicroseconds } from '../../figures/sql-text.ts';
import { analysisLines, boundsLines } from '../analysis-text.ts';
import { noCausesLines } from '../causes-text.ts';
import { historyCells, historyNote } from '../history/history-text.ts';
import { hostLines } from '../host/host-text.ts';
import { energyText, headLines, titleOf } from '../job-text.ts';
import { clip } from '../text/table-text.ts';
import { deviceColumns } from '../text/device-text.ts';
import { clockTime, formatSpan } from '../text/format-quantity.ts';
import { GAUGE_LABELS, NO_DEVICES } from '../text/wording.ts';
import { verdictText } from '../verdict-text.ts';
import { chartData } from './chart-data.ts';
import { closeData } from './close-data.ts';
import { chartSvg } from './chart-svg.ts';
import { chartsOf, type Chart } from './charts.ts';
import { heatPictures } from './heat-picture.ts';
import { markup, jsonScript, type Safe } from './html.ts';
import { causeBar, findingCards, tilesOf } from './job-parts.ts';
import { pageText, type PageAssets } from './page.ts';
import type { Served } from './served/nav.ts';
import { roofline } from './roofline.ts';
import { marksOf, type Marks } from './time-axis.ts';

/** Longer names are cut, and whole where the pointer rests. */
const NAME_WIDTH_MAX = 120;
const CHART_HEIGHT = { activity: 190, other: 130 } as const;

/** What a page needs beside the figures of its job. */
export interface JobPageParts {
  /** Of `readPageAssets`. */
  readonly assets: PageAssets;
  /** Of gpuledger. */
  readonly version: string;
  /** Samples that a file brings along; a page that is served asks for them. */
  readonly looks?: readonly EmbeddedLook[];
  /** Where other pages are; undefined for a file, which asks for nothing. */
  readonly served?: Served;
}

/** The account of a job as a page in one file, which asks for nothing else unless a server shows it. */
export function renderJobPage(figures: JobFigures, { assets, version, looks, served }: JobPageParts): string {
  const marks = marksOf(figures);
  const { timeline } = figures;
  const charts = timeline === undefined ? [] : chartsOf(timeline, figures);
  const title = titleOf(figures);
  const body = markup`<main>
      <header>
        <h1 title="${title}">${clip(title, NAME_WIDTH_MAX)}</h1>
        ${headLines(figures, Infinity).map((line) => markup`<p class="who">${line.trim()}</p>`)}
      </header>
      <p class="verdict">
        ${figures.isSynthetic && markup`<span class="badge">synthetic GPUs</span> `}${verdictText(figures)}
      </p>
      ${figures.devices.length === 0 ? markup`<p>${NO_DEVICES}</p>` : tilesOf(figures, energyText(figures))}
      ${causeBar(figures) ?? noCausesLines(figures, Infinity).map((line) => markup`<p class="note">${line.trim()}</p>`)}
      ${findingCards(figures)} ${charts.length > 0 && overTime(charts, marks, looks ?? (served === undefined ? [] : worthALook(figures)))}
      ${timeline?.heatMap && heatPictures(timeline.heatMap, figures, marks)} ${analysis(figures)}
      ${history(figures)} ${deviceTable(figures)} ${method(figures, version)}
    </main>
    ${charts.length > 0 && jsonScript('chart-data', chartData(charts, marks, { windows: (looks ?? []).map(({ look }) => closeData(look, figures.devices)), url: served && closerUrl(figures, served) }))}`;
  return pageText(title, body, assets, served);
}

function closerUrl({ job }: JobFigures, { links }: Served): string {
  const { jobId, cluster, submitUs, run } = job;
  return links.window(typedId({ task: job.task, record: job }, jobId), {
    cluster,
    submittedUs: submitUs,
    run,
  });
}

/** What a mouse does on the charts, for those who have none; and where samples stand in the page. */
function zoomButtons(looks: readonly WorthALook[]): Safe {
  return markup`<p class="note for-script" hidden>
    ${['closer', 'wider', 'earlier', 'later', 'all'].map((move) => markup`<button type="button" class="zoom" data-move="${move}">${move}</button> `)}
    ${looks.length > 0 && 'The samples themselves: '}
    ${looks.map(
      ({ why, fromUs, toUs }) =>
        markup`<button type="button" class="zoom" data-from="${fromUs / 1e6}" data-to="${toUs / 1e6}">
          ${why === 'middle' ? 'in the middle' : why}, ${clockTime(fromUs)}, ${formatSpan(toUs - fromUs)}
        </button> `,
    )}
    <output id="closer"></output>
  </p>`;
}

function overTime(charts: readonly Chart[], marks: Marks, looks: readonly WorthALook[]): Safe {
  return markup`<section aria-labelledby="over-time">
    <h2 id="over-time">Over time</h2>
    <p class="note">
      UTC. Light: lowest to highest sample. Dark: GPU with the lowest to the one with the highest mean.
      Hatched: a GPU was not seen. Red: events.
      <span class="for-script" hidden>Drag to zoom, double-click to see all again.</span>
    </p>
    ${zoomButtons(looks)}
    ${charts.map(
      (chart) =>
        markup`<figure class="plot" id="plot-${chart.id}">
          <figcaption>
            ${chart.title},
            ${chart.unit}${chart.lines.map(
              ({ name }, index) => markup` <span class="key line-${index}">${name}</span>`,
            )}${chart.limit && markup` <span class="key limit">${chart.limit.name}</span>`}
            <output class="at"></output>
          </figcaption>
          <div class="canvas" hidden></div>
          <div class="still">
            ${chartSvg(chart, chart.id === 'activity' ? CHART_HEIGHT.activity : CHART_HEIGHT.other, marks)}
          </div>
        </figure>`,
    )}
  </section>`;
}

/** Steps, what a slow gauge would have said, and what the hardware bounds. */
function analysis(figures: JobFigures): Safe | undefined {
  const lines = [
    ...analysisLines(figures.analysis, Infinity),
    ...hostLines(figures.host, Infinity),
    ...boundsLines(figures.bounds, Infinity),
  ].map((line) => line.trim());
  return lines.length === 0
    ? undefined
    : markup`<section aria-labelledby="steps">
        <h2 id="steps">Steps and bounds</h2>
        <div class="beside">
          <ul>
            ${lines.map((line) => markup`<li>${line}</li>`)}
          </ul>
          ${roofline(figures)}
        </div>
      </section>`;
}

/** This run beside the last ones like it. */
function history(figures: JobFigures): Safe | undefined {
  const cells = historyCells(figures.history);
  if (cells === undefined || figures.history === undefined) return undefined;
  const [titles = [], ...rows] = cells;
  return markup`<section aria-labelledby="history">
    <h2 id="history">Beside its last runs</h2>
    <div class="scrolls" role="region" tabindex="0" aria-label="Table, which scrolls">
      <table>
        <thead>
          <tr>
            ${titles.map((title) => markup`<th scope="col">${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ([label = '', ...rest]) =>
              markup`<tr>
                <th scope="row">${label}</th>
                ${rest.map((cell) => markup`<td>${cell}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <p class="note">${historyNote(figures.history)}</p>
  </section>`;
}

function deviceTable(figures: JobFigures): Safe | undefined {
  const columns = deviceColumns(figures);
  const count = figures.devices.length;
  if (count === 0) return undefined;
  const rows = Array.from(
    { length: count },
    (_, row) =>
      markup`<tr>
        ${columns.map(({ cells, side }) => markup`<td class="${side}">${cells[row]}</td>`)}
      </tr>`,
  );
  return markup`<section aria-labelledby="table"><h2 id="table">GPU by GPU</h2><details${count <= 16 && markup` open`}><summary>${count} GPUs</summary>
<div class="scrolls" role="region" tabindex="0" aria-label="Table, which scrolls"><table><thead><tr>${columns.map(({ title, side }) => markup`<th scope="col" class="${side}">${title}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div></details></section>`;
}

/** How the numbers came about, and what to ask the store for them. */
function method({ job, startUs, endUs, boundaryUs, gauges }: JobFigures, version: string): Safe {
  const where = `WHERE job_id = '${job.jobId.replaceAll("'", "''")}' AND ts > '${isoMicroseconds(startUs)}' AND ts <= '${isoMicroseconds(endUs)}'`;
  const queries: readonly (readonly [what: string, sql: string])[] = [
    ['seen, GPU-hours', `SELECT sum(dt_us) / 3.6e9 FROM gpu_profiling ${where}`],
    [
      'energy by the counter, kWh',
      `SELECT sum(energy_rise_joules) / 3.6e6 FROM gpu_profiling ${where} AND dt_us > 0 AND energy_rise_dt_us > 0`,
    ],
    ...gauges.map(({ key }): readonly [string, string] => {
      const { column } = findField(GAUGES[key].fieldId)!;
      return [
        `${GAUGE_LABELS[key]}: mean and highest`,
        `SELECT sum(${column} * dt_us) / sum(dt_us), max(${column}) FROM gpu_profiling ${where} AND ${column} IS NOT NULL`,
      ];
    }),
  ];
  return markup`<footer>
    <details>
      <summary>Method and SQL</summary>
      <p>
        Each sample speaks for the time since the one before it (dt); sums are of value times dt, so that they
        are right at any interval. Boundaries are good to ${boundaryUs / 1e6} s. Of GPUs that nobody shared,
        these are the same numbers in SQL, in base units, where the lane is that of the default configuration; with
        GROUP BY gpu those of each. Where the time went takes more than one question: docs/reports.md says how.
      </p>
      <dl>
        ${queries.map(
          ([what, sql]) =>
            markup`<dt>${what}</dt>
              <dd><code>${sql}</code></dd>`,
        )}
      </dl>
    </details>
    <p class="note">gpuledger ${version}</p>
  </footer>`;
}
