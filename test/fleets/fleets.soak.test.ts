import { startTestQuestdb } from '../helpers/questdb.ts';
import { describeFleets } from './fleets.ts';

describeFleets('one', { from: 0, count: 100 }, startTestQuestdb);
describeFleets('many', { from: 100, count: 100 }, startTestQuestdb);
