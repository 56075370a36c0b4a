import { join } from 'node:path';
import type { Tell } from '../core/base/notice.ts';
import { readFormerLives, type FormerLife } from './former-life.ts';
import { openAccount, type AccountState, type LaneAccountFile } from '../disk/lane-account.ts';
import type { Disk } from '../disk/disk.ts';
import { openSpool, type Spool } from '../disk/spool.ts';

export interface LaneDisk {
  readonly disk: Disk;
  /** `STATE_DIR/delivery` */
  readonly directory: string;
  readonly spoolBytesMax: number;
  readonly spoolAgeMsMax: number;
  readonly hasJournal: boolean;
  /** Epoch ms. */
  readonly nowMs: () => number;
}

/** Rows that are lost, and why. Times in epoch µs. */
export interface Loss {
  readonly rows: number;
  readonly firstUs: number;
  readonly lastUs: number;
  readonly reason: string;
}

/** What a lane has on disk. */
export interface Place {
  readonly disk: Disk;
  readonly directory: string;
  /** Names this life: epoch ms, later than every former one. */
  readonly id: number;
  readonly account: LaneAccountFile;
  readonly spool: Spool;
  /** Lives that are not settled, oldest first. */
  readonly former: FormerLife[];
  /** Everything of this life has left the ring, and the account says so. */
  isClosed: boolean;
}

/** Where a life keeps its ring journal. */
export function journalPath(disk: Pick<LaneDisk, 'directory'>, table: string, life: number): string {
  return join(disk.directory, table, `${life}.journal`);
}

/**
 * @param life whose ring is being filled already; default: a new one
 * @throws OperatingError `state.disk`
 */
export function openPlace(
  table: string,
  disk: LaneDisk,
  tell: Tell,
  onLost: (loss: Loss) => void,
  life?: number,
): Place {
  const directory = join(disk.directory, table);
  const account = openAccount(join(directory, 'account'));
  if (account.damage !== undefined)
    tell({ level: 'error', code: 'account.damaged', sentence: account.damage });
  const spool = openSpool(join(directory, 'spool'), {
    disk: disk.disk,
    settledSequence: account.saved.spoolSettled,
    bytesMax: disk.spoolBytesMax,
    ageMsMax: disk.spoolAgeMsMax,
    nowMs: disk.nowMs,
    tell,
    onDropped: ({ rows, firstMs, lastMs, reason }) => {
      const sentence = `${table}: ${rows} rows are given up: ${reason}`;
      tell({ level: 'warn', code: 'spool.dropped', sentence, data: { table, rows } });
      onLost({ rows, firstUs: firstMs * 1000, lastUs: lastMs * 1000, reason });
    },
  });
  const missing = spooledByAccount(account.saved) + unnotedRows(account.saved, spool) - spool.rows;
  if (missing > 0) {
    const reason = 'their files in the spool were removed or damaged';
    tell({
      level: 'error',
      code: 'spool.lost',
      sentence: `${table}: ${missing} rows are lost: ${reason}`,
      data: { table, rows: missing },
    });
    onLost({ rows: missing, firstUs: disk.nowMs() * 1000, lastUs: disk.nowMs() * 1000, reason });
  }
  const former = readFormerLives(disk.disk, directory, account.saved.lives, spool, tell, life);
  spool.found.length = 0; // there may be many
  const id =
    life ?? Math.max(Math.floor(disk.nowMs()), 1 + Math.max(0, ...former.map(({ entry }) => entry.journal)));
  return { disk: disk.disk, directory, id, account, spool, former, isClosed: false };
}

/** Rows that should be in the spool: whatever has left the rings and has met no end yet. */
function spooledByAccount({
  sampledRows,
  acknowledgedRows,
  refusedRows,
  droppedRows,
  lives,
}: AccountState): number {
  const left = lives.reduce((sum, { leftRows }) => sum + leftRows, sampledRows);
  return left - acknowledgedRows - refusedRows - droppedRows;
}

/** Rows that were spooled by a life that was killed before it could note so. */
function unnotedRows({ lives }: AccountState, spool: Spool): number {
  const releasedTicks = new Map(lives.map(({ journal, releasedTick }) => [journal, releasedTick]));
  return spool.found
    .filter(({ journal, toTick }) => toTick > (releasedTicks.get(journal) ?? Infinity))
    .reduce((sum, { rows }) => sum + rows, 0);
}
