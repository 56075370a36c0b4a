import { addsUp } from '../../src/core/base/ledger.ts';
import type { KeptLedger } from '../../src/disk/ledger-file.ts';

export interface WitnessedTick {
  readonly sequence: number;
  readonly rows: number;
  /** Epoch µs. */
  readonly tsUs: number;
}

/** What stands in the table under one number. */
export interface Found {
  readonly sequence: number;
  readonly rows: number;
  readonly gpus: number;
}

export interface Evidence {
  readonly witnessed: readonly WitnessedTick[];
  readonly found: readonly Found[];
  readonly account: KeptLedger;
  readonly collectorKills: number;
}

/** The witness file; a kill can cut its last line off, and then that tick was not handed over. */
export function readWitness(text: string): WitnessedTick[] {
  return text
    .split('\n')
    .filter((line) => /^\d+ \d+ \d+$/.test(line))
    .map((line) => {
      const [sequence, rows, tsUs] = line.split(' ').map(Number);
      return { sequence: sequence!, rows: rows!, tsUs: tsUs! };
    });
}

/** Every witnessed tick once, except one for each kill of the collector; and an account that adds up. */
export function judge({ witnessed, found, account, collectorKills }: Evidence): {
  problems: string[];
  text: string;
} {
  const problems: string[] = [];
  const bySequence = new Map(found.map((each) => [each.sequence, each]));
  const missing = witnessed.filter(({ sequence }) => !bySequence.has(sequence));
  const wrong = witnessed.filter(({ sequence, rows }) => {
    const there = bySequence.get(sequence);
    return there !== undefined && (there.rows !== rows || there.gpus !== rows);
  });
  const known = new Set(witnessed.map(({ sequence }) => sequence));
  const strange = found.filter(({ sequence }) => !known.has(sequence));
  const list = (ticks: readonly { sequence: number }[]): string =>
    ticks
      .slice(0, 20)
      .map(({ sequence }) => sequence)
      .join(', ');
  if (known.size !== witnessed.length) problems.push('the witness has written a number twice');
  if (missing.length > collectorKills) {
    problems.push(
      `${missing.length} witnessed ticks are missing, expected at most ${collectorKills}: ${list(missing)}`,
    );
  }
  if (wrong.length > 0) problems.push(`${wrong.length} ticks do not have each GPU once: ${list(wrong)}`);
  if (strange.length > 0) problems.push(`${strange.length} ticks were never witnessed: ${list(strange)}`);

  const { ledger, lives } = account;
  const { sampledRows, acknowledgedRows, refusedRows, droppedRows } = ledger;
  const tableRows = found.reduce((sum, { rows }) => sum + rows, 0);
  const witnessedRows = witnessed.reduce((sum, { rows }) => sum + rows, 0);
  const missingRows = missing.reduce((sum, { rows }) => sum + rows, 0);
  if (lives.length > 0) problems.push(`${lives.length} lives are not settled`);
  if (!addsUp(ledger) || ledger.heldRows + ledger.spooledRows > 0) {
    problems.push(`the account does not add up: ${JSON.stringify(account)}`);
  }
  if (acknowledgedRows !== tableRows) {
    problems.push(`${acknowledgedRows} rows are counted as acknowledged, ${tableRows} are in the table`);
  }
  if (sampledRows > witnessedRows || sampledRows < witnessedRows - missingRows) {
    problems.push(
      `${sampledRows} rows are counted as sampled, ${witnessedRows} were witnessed, ${missingRows} are missing`,
    );
  }
  const text =
    `${witnessed.length} ticks witnessed, ${missing.length} missing, ${tableRows} rows in the table; ` +
    `sampled ${sampledRows} = acknowledged ${acknowledgedRows} + refused ${refusedRows} + dropped ${droppedRows}`;
  return { problems, text };
}
