/**
 * Generates infra/schemas/*.schema.json: what the JSON of reports and queries looks like, as JSON Schema. With `--check` it writes
 * nothing and fails when a file is not what it would write.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { z } from 'zod';
import { billReport } from '../schemas/reports/bill.ts';
import { capacityReport } from '../schemas/reports/capacity-report.ts';
import { doctorReport } from '../schemas/reports/doctor.ts';
import { forecastReport } from '../schemas/reports/forecast-report.ts';
import { reliabilityReport } from '../schemas/reports/reliability-report.ts';
import { idleWatch } from '../schemas/reports/idle-watch.ts';
import { jobReport } from '../schemas/reports/job-report.ts';
import { jobsReport, tasksReport } from '../schemas/reports/jobs-report.ts';
import { queueReport } from '../schemas/reports/queue-report.ts';
import { rightSizeReport } from '../schemas/reports/right-size.ts';
import { userReport } from '../schemas/reports/user-report.ts';
import { queryAnswer } from '../schemas/reports/query-answer.ts';

const SCHEMAS = {
  'report-job': [jobReport, 'gpuledger report job ID --json, of one job'],
  'report-tasks': [tasksReport, 'gpuledger report job ID --json, of an array or a heterogeneous job'],
  'report-jobs': [jobsReport, 'gpuledger report jobs --json'],
  'report-user': [userReport, 'gpuledger report user NAME --json'],
  'report-capacity': [capacityReport, 'gpuledger report capacity --json'],
  'report-forecast': [forecastReport, 'gpuledger report forecast --json'],
  'report-right-size': [rightSizeReport, 'gpuledger report right-size --json'],
  'report-bill': [billReport, 'gpuledger report bill --month MONTH --json'],
  'report-reliability': [reliabilityReport, 'gpuledger report reliability --json'],
  'report-queue': [queueReport, 'gpuledger report queue --json'],
  'watch-idle': [idleWatch, 'gpuledger watch-idle --json'],
  doctor: [doctorReport, 'gpuledger doctor --json'],
  query: [queryAnswer, 'gpuledger query run NAME --json'],
} as const;

const directory = new URL('../infra/schemas/', import.meta.url);
if (!existsSync(directory)) mkdirSync(directory);
for (const [name, [schema, title]] of Object.entries(SCHEMAS)) {
  const output = new URL(`${name}.schema.json`, directory);
  const text = await format(JSON.stringify({ title, ...z.toJSONSchema(schema) }), {
    parser: 'json',
    printWidth: 110,
  });
  if (!process.argv.includes('--check')) writeFileSync(output, text);
  else if (!existsSync(output) || readFileSync(output, 'utf8') !== text) {
    console.error(
      `infra/schemas/${name}.schema.json is not what schemas/reports say: run node scripts/generate-report-schemas.ts`,
    );
    process.exitCode = 1;
  }
}
