/**
 * Generates infra/grafana/dashboards/: the dashboards of Grafana for both of its ways to QuestDB, from the descriptions in
 * scripts/grafana/. With `--check` it writes nothing and fails when a file is not what it would write.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dashboardFiles } from './grafana/files.ts';

const directory = new URL('../infra/grafana/dashboards/', import.meta.url);
for (const [path, text] of await dashboardFiles()) {
  const output = new URL(path, directory);
  if (!process.argv.includes('--check')) {
    mkdirSync(new URL('./', output), { recursive: true });
    writeFileSync(output, text);
  } else if (!existsSync(output) || readFileSync(output, 'utf8') !== text) {
    console.error(
      `infra/grafana/dashboards/${path} is not what scripts/grafana says: run node scripts/generate-grafana.ts`,
    );
    process.exitCode = 1;
  }
}
