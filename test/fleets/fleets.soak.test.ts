import { startTestQuestdb } from '../helpers/questdb.ts';
import { describeFleets } from './fleets.ts';

/** All 200 take a quarter of an hour: `GPULEDGER_FLEETS=200 npx vitest run --project soak test/fleets`. */
const HALF = Math.ceil(Number(process.env['GPULEDGER_FLEETS'] ?? 12) / 2);

describeFleets('one', { from: 10, count: HALF }, startTestQuestdb);
describeFleets('many', { from: 110, count: HALF }, startTestQuestdb);
