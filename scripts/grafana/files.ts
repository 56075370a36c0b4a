import { format } from 'prettier';
import { buildDashboard } from './build.ts';
import { FLEET_DASHBOARD } from './fleet.ts';
import { HEALTH_DASHBOARD } from './health.ts';
import { JOB_DASHBOARD } from './job.ts';
import { NODE_DASHBOARD } from './node.ts';
import type { Dashboard } from './panel.ts';
import { DIALECTS, type Dialect } from './words.ts';

export const DASHBOARDS: readonly Dashboard[] = [
  JOB_DASHBOARD,
  NODE_DASHBOARD,
  FLEET_DASHBOARD,
  HEALTH_DASHBOARD,
];

export const DIALECT_NAMES = Object.keys(DIALECTS) as Dialect[];

/** Text of each dashboard's file, by its path below `infra/grafana/dashboards`. */
export async function dashboardFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const dialect of DIALECT_NAMES)
    for (const dashboard of DASHBOARDS)
      files.set(
        `${dialect}/${dashboard.name}.json`,
        await format(JSON.stringify(buildDashboard(dashboard, dialect)), { parser: 'json', printWidth: 110 }),
      );
  return files;
}
