import { startTestQuestdb } from '../helpers/questdb.ts';
import { describeFleets } from './fleets.ts';

describeFleets('one', { from: 0, count: 2 }, startTestQuestdb);
describeFleets('many', { from: 2, count: 4 }, startTestQuestdb);
