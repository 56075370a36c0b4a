import type { DrainSummary } from '../drain/drain.ts';
import { tableText } from '../report/text/table-text.ts';

/** What a drain did, for people: the answer first, then the engines, then what is wrong. */
export function drainText(summary: DrainSummary): string {
  const { engines, reports, failures, warnings } = summary;
  const rows = `${grouped(summary.rows)} rows`;
  const did = summary.isDryRun ? `would fetch ${rows}` : rows;
  const lines = [
    `${engines.drained} of ${engines.asked} engines in ${summary.seconds.toFixed(1)} s: ${did}, ${gapText(summary)}${lagText(summary)}`,
  ];
  if (summary.refusedRows > 0)
    lines.push(
      `QuestDB refused ${summary.refusedRows} rows: the log says why, and in which file they are kept`,
    );
  if (summary.implausibleValues > 0)
    lines.push(
      `${grouped(summary.implausibleValues)} values could not be true and are NULL: gpu_events tells which (kind implausible)`,
    );
  lines.push(
    ...tableText(
      reports.map((report) => [
        report.node,
        report.engine,
        `${report.devices} devices`,
        report.lanes.map(({ lane, rows }) => `${lane} ${rows}`).join(', '),
        report.areJobsTold ? '' : 'nobody told whose jobs',
      ]),
      'left',
    ),
  );
  for (const { engine, node, message, hints } of failures) {
    lines.push(`failed: ${node} (${engine}): ${message}`, ...hints.map((hint) => `  ${hint}`));
  }
  for (const warning of warnings) lines.push(`warning: ${warning}`);
  return `${lines.join('\n')}\n`;
}

function gapText({ gaps }: DrainSummary): string {
  return gaps.count === 0 ? 'no gaps' : `${gaps.count} gaps of ${gaps.seconds.toFixed(1)} s in all`;
}

function lagText({ lagSeconds, nextWatermark }: DrainSummary): string {
  if (lagSeconds === null || nextWatermark === null) return '; nothing stored yet';
  return `; ${lagSeconds.toFixed(1)} s behind, next from ${nextWatermark.slice(11, 19)} UTC`;
}

/** `12,345`, without loading the tables of all languages for it (30 ms). */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
