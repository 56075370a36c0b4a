/** Fills a spool on a disk that is too small for it, and tells as one line of JSON what became of it: for a process of its own. */
import { OperatingError } from '../../src/core/base/errors.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { openSpool, type Spool } from '../../src/disk/spool.ts';

export interface SmallDiskOutcome {
  readonly givenUpRows: number;
  readonly reasons: readonly string[];
  readonly spooledRows: number;
  /** The beginning of each batch that it gave back, in order. */
  readonly texts: readonly string[];
  /** Code of the error for a batch that is larger than the disk; a small one came after it. */
  readonly tooLarge: string;
  /** Events that were logged. */
  readonly logged: readonly string[];
}

const directory = process.argv[2]!;
const losses: { readonly rows: number; readonly reason: string }[] = [];
const logged: string[] = [];
let spool = open(0);

function open(settledSequence: number): Spool {
  return openSpool(directory, {
    disk: realDisk,
    settledSequence,
    bytesMax: 1e9,
    segmentBytes: 40_000,
    ageMsMax: 1e9,
    nowMs: () => 1_000_000,
    onDropped: (loss) => losses.push(loss),
    tell: ({ code }) => logged.push(code),
  });
}

async function add(text: string, rows: number): Promise<void> {
  await spool.append({ body: Buffer.from(text), rows, journal: 7, toTick: 10 });
}

function drain(): string[] {
  const texts: string[] = [];
  for (let batch = spool.peek(); batch !== undefined; batch = spool.peek()) {
    texts.push(batch.body.toString('latin1', 0, 12).split(' x')[0]!);
    spool.settle(batch.sequence);
  }
  return texts;
}

for (let n = 0; n < 30; n += 1) await add(`${n} ${'x'.repeat(20_000)}`, 5);
const givenUpRows = losses.reduce((sum, { rows }) => sum + rows, 0);
const spooledRows = spool.rows;
const texts = drain();
const tooLarge = await add('y'.repeat(400_000), 1).then(
  () => 'it fitted',
  (thrown: unknown) => (thrown instanceof OperatingError ? thrown.code : String(thrown)),
);
await add('small again', 1);
// What was written of the large one is no record, and no damage either.
spool.close();
spool = open(spool.settledSequence);
texts.push(...drain());
const reasons = [...new Set(losses.map(({ reason }) => reason))];
const outcome: SmallDiskOutcome = { givenUpRows, reasons, spooledRows, tooLarge, texts, logged };
process.stdout.write(`${JSON.stringify(outcome)}\n`);
