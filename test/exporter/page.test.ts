/** Goal: the page for those who come from dcgm-exporter names each of its flags, and what becomes of it. Method: its table beside the table of the code. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { EXPORTER_FLAGS, type ExporterFlag } from '../../src/exporter/exporter-flags.ts';
import { ROOT } from '../helpers/run-process.ts';

const OWN: Readonly<Record<string, string>> = {
  'collect-interval': 'as there',
  'use-old-namespace': 'as there',
  'no-hostname': 'as there, and of every release',
  'replace-blanks-in-model-name': 'as there',
  'web-systemd-socket': 'as there',
  'xid-count-window-size': 'as there',
  'clock-events-count-window-size': 'as there',
  debug: '`log.level: debug`',
  'enable-exporter-metrics': '`gpuledger_…`, above',
  'log-format': '`log.format`: text is `human`',
};

function meaningOf({ name, becomes }: ExporterFlag): string {
  switch (becomes.kind) {
    case 'key':
      return `\`${becomes.key}\``;
    case 'own':
      return OWN[name] ?? 'missing in this test';
    case 'ignored':
      return `ignored: ${becomes.why}`;
    case 'refused':
      return `refused: ${becomes.why}`;
  }
}

test('the table of flags is that of the code', () => {
  const page = readFileSync(`${ROOT}docs/from-dcgm-exporter.md`, 'utf8');
  const rows = EXPORTER_FLAGS.map((flag) => {
    const short = flag.alias === undefined ? '' : `, \`-${flag.alias}\``;
    return `| \`--${flag.name}\`${short} | \`${flag.variable}\` | ${meaningOf(flag)} |`;
  });
  const written = page
    .split('\n')
    .filter((line) => line.startsWith('| `--'))
    .map((line) => line.replace(/ +/g, ' '));
  expect(written).toEqual(rows.map((row) => row.replace(/ +/g, ' ')));
});
