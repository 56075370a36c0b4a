import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { READ_KEYS } from '../../figures/capacity/query.ts';
import { gaugeReadings, storedLanes } from '../../figures/gauge-lanes.ts';
import { ask } from '../../figures/query-cells.ts';
import { formatCount } from '../../report/text/format-quantity.ts';
import { fine, wrong, type Check } from '../check.ts';
import { NotTold } from '../not-told.ts';
import { operating } from '../operating.ts';
import { listed } from './schema.ts';

/** Rollups of minutes are short, and lanes that are slower decide nothing. */
const BACK_MINUTES = 60;

/** Nodes may have lanes of their own, and one lane tells of all how long they were seen. */
export const timeLane: Check = {
  part: 'store',
  name: 'time lane',
  why: 'capacity reports tell time by the lane with most gauges: of a node that sends only others all time is told as not seen',
  async look(facts) {
    const { lanes } = await facts.config();
    const db = await facts.store();
    const toUs = Date.now() * 1000;
    const span = { fromUs: toUs - BACK_MINUTES * 60e6, toUs };
    try {
      const stored = await storedLanes(db, lanes, span);
      const [first] = await gaugeReadings(db, stored, span, { keys: READ_KEYS });
      if (first === undefined) return undefined;
      const ofLane = ({ table }: { readonly table: string }): string =>
        `SELECT DISTINCT ${quoteText(table)} AS name, node FROM ${quoteName(`${table}_1m`)}` +
        ` WHERE ts > dateadd('m', -${BACK_MINUTES}, now())`;
      const rows = await ask(db, stored.map(({ lane }) => ofLane(lane)).join(' UNION ALL '));
      const nodesOf = (some: typeof rows): Set<string> => new Set(some.map((row) => row.text('node') ?? ''));
      const all = nodesOf(rows);
      const timed = nodesOf(rows.filter((row) => row.text('name') === first.lane.table));
      const untimed = [...all].filter((node) => !timed.has(node)).sort();
      if (untimed.length === 0) return fine(`${first.lane.name}, of ${formatCount(all.size, 'node')}`);
      return wrong(
        `${untimed.length} of ${all.size} nodes send no lane ${first.lane.name}: ${listed(untimed)}`,
        [`give them that lane, too: lanes in their configuration (docs/reports.md)`],
      );
    } catch (thrown) {
      const error = operating(thrown);
      // What is missing is told by the check of the schema.
      if (error.code === 'report.no_tables' || error.code === 'questdb.no_table')
        throw new NotTold('tables or rollups are missing: see schema');
      throw error;
    }
  },
};
