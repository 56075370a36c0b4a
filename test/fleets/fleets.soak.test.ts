import { startTestQuestdb } from '../helpers/questdb.ts';
import { describeFleets } from './fleets.ts';

/** All 200 take half an hour: `GPULEDGER_FLEETS=200 npx vitest run --project soak test/fleets`; from another seed on with `GPULEDGER_FLEETS_FROM`. */
const COUNT = Number(process.env['GPULEDGER_FLEETS'] ?? 12);
const FROM = Number(process.env['GPULEDGER_FLEETS_FROM'] ?? 10);
/** In one store: what differs is found among few. */
const FLEETS_MAX = 10;

for (let done = 0; done < COUNT; done += FLEETS_MAX)
  describeFleets(
    Math.floor((FROM + done) / FLEETS_MAX) % 2 === 1 ? 'one' : 'many',
    { from: FROM + done, count: Math.min(FLEETS_MAX, COUNT - done) },
    startTestQuestdb,
  );
