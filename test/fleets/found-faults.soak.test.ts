import { startTestQuestdb } from '../helpers/questdb.ts';
import { describeFleets } from './fleets.ts';

/** Seeds that have found a fault: 69 a head of a job that nobody saw, 73 a tail where one table follows another. */
describeFleets('many', { from: 68, count: 2 }, startTestQuestdb);
describeFleets('one', { from: 73, count: 2 }, startTestQuestdb);
