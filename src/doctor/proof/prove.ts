import { quoteName } from '../../../schemas/tables.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { shell } from '../../core/base/shell.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { Ownership } from '../../core/jobs/ownership.ts';
import { LaneSet } from '../../delivery/lane-set.ts';
import { withBisect } from '../../delivery/with-bisect.ts';
import { toldOnly } from '../../disk/dead-letter.ts';
import { openOwnership } from '../../job-map/session.ts';
import { openForeignJournal } from '../../ownership/open-inputs.ts';
import type { QuestDb } from '../../questdb/http.ts';
import { waitForVisible } from '../../questdb/visible.ts';
import { fine, wrong, wrongBy, type Check, type Outcome } from '../check.ts';
import { NotTold } from '../not-told.ts';
import { hookOf } from '../hook-place.ts';
import { operating } from '../operating.ts';
import { triedTick } from '../node/tried-tick.ts';
import {
  createProofTables,
  dropLeftTables,
  dropProofTables,
  proofLanes,
  storeNowMs,
} from './proof-tables.ts';
import type { Trial } from './trial.ts';

const VISIBLE_MS_MAX = 20_000;

export const chain: Check = {
  part: 'node',
  name: 'chain',
  why: 'each part may be right and the whole wrong: this is a job record, a tick, a flush and a row that is read back',
  takesBack: true,
  async look(facts) {
    const hook = hookOf(facts.machine);
    if (hook === undefined) throw new NotTold('there is no hook that could write a record');
    const { cluster, flush } = await facts.config();
    const db = await facts.store();
    const trial = await triedTick(facts);
    const { journalDir } = trial;
    if (journalDir instanceof OperatingError) throw journalDir;
    const ownership = await ownershipOf(trial, journalDir, cluster);
    if (ownership === undefined)
      return wrong(`${hook} wrote no record that is understood into a directory of its own`, [
        shell`sh -x ${hook} record start manager=shell job=1 journal_dir=/tmp`,
      ]);
    try {
      return await writeAndReadBack(db, trial, ownership, flush.batchRows);
    } catch (thrown) {
      return wrongBy(operating(thrown));
    }
  },
};

/** Whose the device is by the record; undefined where it says nothing. */
async function ownershipOf(
  trial: Trial,
  journalDir: string,
  cluster: string | undefined,
): Promise<Ownership | undefined> {
  const inputs = await openForeignJournal(journalDir, trial.sampler.devices);
  const session = openOwnership({ inputs, ownership: new Ownership(), labelledUntilUs: -Infinity, cluster });
  await session.readOnce(Date.now() * 1000);
  const { ownership } = session;
  return ownership.intervals().some(({ jobId }) => jobId === trial.jobId) ? ownership : undefined;
}

async function writeAndReadBack(
  db: QuestDb,
  trial: Trial,
  ownership: Ownership,
  batchRows: number,
): Promise<Outcome> {
  const nowMs = await storeNowMs(db);
  const lanes = proofLanes(trial.lanes, nowMs);
  await dropLeftTables(db, nowMs);
  const told: string[] = [];
  const tell = ({ sentence: text }: { readonly sentence: string }): void => void told.push(text);
  const onLost = (): void => void told.push('rows were lost');
  const sink = withBisect(db, toldOnly(tell), tell);
  const laneSet = await LaneSet.open({ lanes, sink, tell, onLost });
  try {
    await createProofTables(db, lanes);
    const { rings, devices } = trial.sampler;
    laneSet.attach(rings, devices, (gpu, tsUs) => ownership.labelAt(gpu, tsUs), batchRows);
    const untilUs = Date.now() * 1000;
    const isTaken = await laneSet.deliver({ untilUs, byNowUs: () => untilUs, isCertain: true });
    const account = laneSet.account(() => undefined);
    const rows = account.reduce((sum, { acknowledgedRows }) => sum + acknowledgedRows, 0);
    if (!isTaken || account.some(({ sampledRows, acknowledgedRows }) => sampledRows !== acknowledgedRows))
      return wrong(`the store did not take all of a tick: ${told.join('; ') || 'it did not say why'}`, [
        'gpuledger doctor --store',
      ]);
    for (const lane of lanes) {
      const problem = await readBack(
        db,
        lane,
        trial,
        account.find((one) => one.table === lane.table)!.sampledRows,
      );
      if (problem !== undefined) return wrong(problem, ['please report it: gpuledger doctor --json']);
    }
    return fine(
      `a record by the hook, a tick of ${lanes.length} lanes, ${rows} rows written, read back with their job, and removed`,
    );
  } finally {
    laneSet.close();
    await dropProofTables(db, lanes);
  }
}

/** @returns what is not as it was written */
async function readBack(
  db: QuestDb,
  lane: Lane,
  trial: Trial,
  expected: number,
): Promise<string | undefined> {
  if (expected === 0) return `lane ${lane.name}: expected a tick, sampled none`;
  await waitForVisible(db, lane.table, { timeoutMs: VISIBLE_MS_MAX });
  const { rows } = await db.exec(`SELECT gpu, job_id FROM ${quoteName(lane.table)}`);
  if (rows.length !== expected)
    return `lane ${lane.name}: ${expected} rows were written, ${rows.length} came back`;
  const { device, jobId } = trial;
  const isLabelled = rows.every(([gpu, job]) => job === (gpu === device.uuid ? jobId : null));
  return isLabelled ? undefined : `lane ${lane.name}: rows came back with another job than ${jobId}`;
}
