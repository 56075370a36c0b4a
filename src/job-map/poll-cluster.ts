import { OperatingError } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Told, ToldNode, WaitingJobs } from '../core/jobs/cluster-load.ts';
import { spellsOf, spokenForUs } from '../core/jobs/node-spells.ts';
import { waitingRowsOf } from '../core/jobs/waiting-rows.ts';
import { withBisect } from '../delivery/with-bisect.ts';
import { toldOnly } from '../disk/dead-letter.ts';
import type { ClusterLoad } from '../ownership/scheduler.ts';
import type { QuestDb } from '../questdb/http.ts';
import { readLastPoll, readLastQueuePoll } from '../questdb/reads/last-poll.ts';
import { createSmallTables, type QueueRow } from '../questdb/rows/small-tables.ts';
import { createRefusals } from './refusals.ts';

export interface PollOptions {
  /** Name of the cluster in the rows; absent where nobody told. */
  readonly cluster?: string | undefined;
  /** A poll that comes longer after the one before says nothing of the time between. */
  readonly gapMsMax: number;
  readonly nowUs: number;
  readonly signal?: AbortSignal;
  /** What is wrong with rows and was told before: it is not told again. */
  readonly toldRefusals?: Set<string>;
  readonly tell: Tell;
}

/** What one command of the scheduler said, and what became of it. */
export interface PollOutcome {
  readonly what: 'nodes' | 'queue';
  readonly from: string;
  /** Nodes with GPUs, or waiting jobs that ask for some; none where there is a failure. */
  readonly count: number;
  /** Nodes of them that take no new jobs; of a queue 0. */
  readonly outOfUse: number;
  /** Not understood, and left out. */
  readonly refusedRows: number;
  /** Time before now for which it speaks, ms; 0 for a first one and after a gap. */
  readonly speaksForMs: number;
  /** Why nothing was written: that time stays unknown. */
  readonly failure?: OperatingError;
}

/**
 * Asks the scheduler once how its nodes are and who waits, and writes `node_states` and `queue_1m`. All that is known of the
 * poll before is in the store, so that whoever asks next goes on from there. Nothing of an answer that is not whole is written.
 */
export async function pollCluster(
  db: QuestDb,
  load: ClusterLoad,
  options: PollOptions,
): Promise<readonly [PollOutcome, PollOutcome]> {
  const { signal, tell, toldRefusals } = options;
  // At once, since both are of one moment.
  const [nodes, queue] = [load.readNodes(signal), load.readQueue(signal)].map((answer) =>
    answer.then(undefined, failureOf),
  ) as [Promise<Answer<ToldNode>>, Promise<Answer<WaitingJobs>>];
  const tellRefused = (from: string, { refused }: Told<unknown>): void => {
    const refusals = createRefusals(from, tell, toldRefusals);
    for (const row of refused) refusals.add(row);
    refusals.tellAll();
  };
  return [
    await outcomeOf('nodes', load.nodesFrom, await nodes, async (told) => {
      tellRefused(load.nodesFrom, told);
      return await storeNodes(db, told, options);
    }),
    await outcomeOf('queue', load.queueFrom, await queue, async (told) => {
      tellRefused(load.queueFrom, told);
      return await storeQueue(db, told, options);
    }),
  ];
}

type Answer<Row> = Told<Row> | OperatingError;
type Stored = Pick<PollOutcome, 'count' | 'outOfUse' | 'speaksForMs'>;

async function outcomeOf<Row>(
  what: PollOutcome['what'],
  from: string,
  answer: Answer<Row>,
  store: (told: Told<Row>) => Promise<Stored>,
): Promise<PollOutcome> {
  const nothing = { what, from, count: 0, outOfUse: 0, refusedRows: 0, speaksForMs: 0 };
  if (answer instanceof OperatingError) return { ...nothing, failure: answer };
  try {
    return { ...nothing, refusedRows: answer.refused.length, ...(await store(answer)) };
  } catch (thrown) {
    return { ...nothing, failure: failureOf(thrown) };
  }
}

async function storeNodes(db: QuestDb, { rows }: Told<ToldNode>, options: PollOptions): Promise<Stored> {
  const { cluster, nowUs, gapMsMax } = options;
  const gapUsMax = gapMsMax * 1000;
  const last = await readLastPoll(db, cluster, nowUs, gapUsMax);
  const spells = spellsOf(rows, last, nowUs, gapUsMax);
  const named = cluster === undefined ? spells : spells.map((spell) => ({ ...spell, cluster }));
  if (!(await tablesOf(db, options).writeNodeStates(named))) throw notTaken(db);
  const outOfUse = rows.filter(({ state }) => state === 'drained' || state === 'down').length;
  return { count: rows.length, outOfUse, speaksForMs: spokenForUs(last.atUs, nowUs, gapUsMax) / 1000 };
}

async function storeQueue(db: QuestDb, { rows }: Told<WaitingJobs>, options: PollOptions): Promise<Stored> {
  const { cluster, nowUs, gapMsMax } = options;
  const gapUsMax = gapMsMax * 1000;
  const lastUs = await readLastQueuePoll(db, cluster, nowUs, gapUsMax);
  const dtUs = spokenForUs(lastUs, nowUs, gapUsMax);
  const poll = { tsUs: nowUs, dtUs, ...(cluster === undefined ? {} : { cluster }) };
  const waiting = waitingRowsOf(rows, nowUs).map((row): QueueRow => ({ ...row, ...poll }));
  const count = rows.reduce((sum, { jobs }) => sum + jobs, 0);
  // A later poll has been: this clock was set back.
  if (lastUs !== undefined && lastUs >= nowUs) return { count, outOfUse: 0, speaksForMs: 0 };
  // The row that says that it was asked comes last: without it the others are not taken for a whole answer.
  if (!(await tablesOf(db, options).writeQueue([...waiting, poll]))) throw notTaken(db);
  return { count, outOfUse: 0, speaksForMs: dtUs / 1000 };
}

function tablesOf(db: QuestDb, { tell }: PollOptions): ReturnType<typeof createSmallTables> {
  return createSmallTables(withBisect(db, toldOnly(tell), tell), tell);
}

function failureOf(thrown: unknown): OperatingError {
  if (!(thrown instanceof OperatingError)) throw thrown;
  return thrown;
}

function notTaken(db: QuestDb): OperatingError {
  return new OperatingError('QuestDB did not take what the scheduler said', {
    code: 'jobs.unsent',
    exit: 'temporary',
    where: db.where,
  });
}
