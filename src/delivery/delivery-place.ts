import { join } from 'node:path';
import type { Tell } from '../core/base/notice.ts';
import type { Disk } from '../disk/disk.ts';
import { openLedgerFile } from '../disk/ledger-file.ts';
import { readLastRows, type LastRows } from '../disk/last-rows.ts';
import type { JournalGap } from '../disk/ring-journal-read.ts';
import { openSpool, type Spool } from '../disk/spool.ts';
import { readFormerLives } from './former-life.ts';
import { LaneLedger } from './lane-ledger.ts';

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
  /** As far as an account knows them. */
  readonly rows: number;
  /** Nobody can tell how many more there were. */
  readonly isLeast?: true;
  readonly firstUs: number;
  readonly lastUs: number;
  readonly reason: string;
}

/** What a lane has on disk. */
export interface Place {
  readonly disk: Disk;
  readonly directory: string;
  readonly ledger: LaneLedger;
  readonly spool: Spool;
  /** Where the rows of former lives ended. */
  readonly last: LastRows;
  readonly gaps: readonly JournalGap[];
}

/** In the directory of a lane. */
export const LAST_ROWS_FILE = 'last-rows';

/** Where a life keeps its ring journal. */
export function journalPath({ directory }: Pick<LaneDisk, 'directory'>, table: string, life: number): string {
  return join(directory, table, `${life}.journal`);
}

/**
 * @param life whose ring is being filled already; default: a new one, later than every former one
 * @throws OperatingError `state.disk`
 */
export function openPlace(
  table: string,
  { disk, nowMs, ...lane }: LaneDisk,
  tell: Tell,
  onLost: (loss: Loss) => void,
  life?: number,
): Place {
  const directory = join(lane.directory, table);
  const left =
    disk.size(join(directory, 'account')) === undefined ? leftIn(disk, directory, life) : undefined;
  const file = openLedgerFile(disk, join(directory, 'account'));
  if (file.damage !== undefined) tell({ level: 'error', code: 'account.damaged', sentence: file.damage });
  if (left !== undefined) {
    const sentence = `${table}: the account of what was delivered is not there, beside ${left}: its counts begin anew`;
    tell({ level: 'warn', code: 'account.missing', sentence, data: { table } });
  }
  const spool = openSpool(join(directory, 'spool'), {
    disk,
    settledSequence: file.kept.spoolSettled,
    bytesMax: lane.spoolBytesMax,
    ageMsMax: lane.spoolAgeMsMax,
    nowMs,
    tell,
    onDropped: ({ rows, firstUs, lastUs, reason }) => {
      ledger.dropSpooled(rows, spool.settledSequence);
      const sentence = `${table}: ${rows} rows are given up: ${reason}`;
      tell({ level: 'warn', code: 'spool.dropped', sentence, data: { table, rows } });
      onLost({ rows, firstUs, lastUs, reason });
    },
  });
  const lastPath = join(directory, LAST_ROWS_FILE);
  const saved = readLastRows(disk, lastPath);
  const {
    lives: former,
    last,
    gaps,
  } = readFormerLives({
    disk,
    directory,
    kept: file.kept,
    found: spool.found,
    living: life,
    hasJournal: lane.hasJournal,
    last: saved,
    tell,
  });
  spool.found.length = 0; // there may be many
  // Without a journal a kill would leave it behind as it is now, and rows that are stored by then would count again.
  if (!lane.hasJournal) disk.remove(lastPath);
  const newest = Math.max(file.kept.journalSettled, ...former.map(({ entry }) => entry.journal));
  const ledger = new LaneLedger(life ?? Math.max(Math.floor(nowMs()), newest + 1), file, former);
  agree(table, ledger, spool, tell, (rows, reason) => {
    onLost({ rows, firstUs: nowMs() * 1000, lastUs: nowMs() * 1000, reason });
  });
  return { disk, directory, ledger, spool, last, gaps };
}

/** What a former life has left in the directory of a lane; undefined where none has been. */
function leftIn(disk: Disk, directory: string, living: number | undefined): string | undefined {
  const isLeft = (name: string): boolean =>
    name === LAST_ROWS_FILE || (name.endsWith('.journal') && name !== `${living}.journal`);
  const name = disk.list(directory).find(isLeft);
  if (name !== undefined) return name;
  return disk.list(join(directory, 'spool')).length > 0 ? 'spool' : undefined;
}

/** Files of the spool may have been removed, damaged or put there while nobody ran; or the ledger was. */
function agree(
  table: string,
  ledger: LaneLedger,
  spool: Spool,
  tell: Tell,
  onLost: (rows: number, reason: string) => void,
): void {
  const missing = ledger.rows.spooledRows - spool.rows;
  if (missing > 0) {
    const reason = 'their files in the spool were removed or damaged';
    ledger.dropSpooled(missing, 0);
    const sentence = `${table}: ${missing} rows are lost: ${reason}`;
    tell({ level: 'error', code: 'spool.lost', sentence, data: { table, rows: missing } });
    onLost(missing, reason);
  } else if (missing < 0) {
    ledger.addSpooled(-missing);
    const sentence = `${table}: the spool holds ${-missing} rows that the account does not know: they are counted as sampled`;
    tell({ level: 'warn', code: 'spool.unknown_rows', sentence, data: { table, rows: -missing } });
  }
}
