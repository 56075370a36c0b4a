import { HOUR_US } from '../../../core/base/hour.ts';
import type { Beside, QueueFigures } from '../../../figures/queue/figures.ts';
import { FRAGMENT_TITLES, fragmentRows, queueAnswers, queueNotes } from '../../queue/queue-text.ts';
import { calendarDate, formatHours, formatRatio, hourDecimals } from '../../text/format-quantity.ts';
import { harmless } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { tableHtml } from '../table-html.ts';

const PLOT = { width: 960, left: 180, right: 260, height: 22, gap: 6 } as const;

/** Which GPUs nobody used while a job waited that would have fitted, and how far what is free is in pieces too small. */
export function queueBeside(figures: QueueFigures): Safe {
  const notes = queueNotes(figures);
  const fragments = fragmentRows(figures);
  const window = `${calendarDate(figures.fromUs)} to ${calendarDate(figures.toUs)} UTC.`;
  return markup`<p>${window} ${queueAnswers(figures).join(' ')}</p>
${besideBars(figures)}
${fragments.length > 0 && markup`<h3>Free in pieces</h3>${tableHtml(FRAGMENT_TITLES, fragments)}`}
${notes.length > 0 && markup`<ul class="note">${notes.map((note) => markup`<li>${harmless(note)}</li>`)}</ul>`}`;
}

interface Kind {
  readonly name: string;
  readonly part: 'free' | 'idle';
  readonly sums: Beside;
}

/** Of what was free, and of what was idle, which part lay beside a job that would have had it. */
function besideBars({ beside: { free, idle } }: QueueFigures): Safe | undefined {
  const kinds = [
    ...(free === undefined ? [] : [{ name: 'free', part: 'free', sums: free } as const]),
    ...(idle === undefined ? [] : [{ name: 'owned and idle', part: 'idle', sums: idle } as const]),
  ].filter(({ sums }) => sums.hadUs > 0);
  if (kinds.length === 0) return undefined;
  const topUs = Math.max(...kinds.map(({ sums }) => sums.hadUs));
  const length = (us: number): number =>
    Math.round(((PLOT.width - PLOT.left - PLOT.right) * us * 10) / topUs) / 10;
  const decimals = hourDecimals(topUs / HOUR_US);
  const wordsOf = ({ sums: { besideUs, hadUs } }: Kind): string =>
    `${formatHours(besideUs, decimals)} of ${formatHours(hadUs, decimals)} h, ${formatRatio(besideUs / hadUs)}`;
  const bars = kinds.map((kind, row) => {
    const { name, part, sums } = kind;
    const y = row * (PLOT.height + PLOT.gap);
    const beside = length(sums.besideUs);
    return markup`<g><title>${name}: ${wordsOf(kind)} beside a job that would have fitted</title><text class="name" x="${PLOT.left - 8}" y="${y + 16}" text-anchor="end">${name}</text><rect class="part unknown" x="${PLOT.left}" y="${y}" width="${length(sums.hadUs)}" height="${PLOT.height}"/><rect class="part ${part}" x="${PLOT.left}" y="${y}" width="${beside}" height="${PLOT.height}"/><text class="name" x="${Math.round(PLOT.left + length(sums.hadUs) + 6)}" y="${y + 16}">${wordsOf(kind)}</text></g>`;
  });
  return markup`<p class="note">GPU-hours while the queue was asked. Dark: a job waited that would have fitted. Light: the rest.</p>
<div class="scrolls" role="region" tabindex="0" aria-label="Bars, which scroll"><svg class="bars" viewBox="0 0 ${PLOT.width} ${kinds.length * (PLOT.height + PLOT.gap)}" role="img" aria-label="${kinds.map((kind) => `${kind.name}: ${wordsOf(kind)} beside a job that would have fitted`).join('; ')}">${bars}</svg></div>`;
}
