import { asClusterName } from '../../src/core/devices/cluster-name.ts';
import { gpusOfTres, namesGpus } from './gres.ts';
import { exitCodeOfPair, jobRow, present, quoteShort, type SlurmRow } from './jobs.ts';
import { visibleText } from '../visible-text.ts';

/** Columns that are asked of sacct, in this order: every version from 20.11 on knows them. */
export const SACCT_COLUMNS = [
  ...['JobIDRaw', 'JobID', 'JobName', 'User', 'Account', 'Partition', 'QOS'],
  ...['State', 'ExitCode', 'Start', 'End', 'NNodes', 'AllocTRES'],
] as const;
/** The same, where a version has them. */
const SACCT_COLUMNS_OF_SOME = ['Submit', 'Cluster', 'Restarts', 'SLUID'] as const;

/** A name holds 255 characters at most, all of which may be line ends. */
const ROW_LINES_MAX = 256;
const ROW_CHARACTERS_MAX = 65_536;

/** @param helpFormat what `sacct --helpformat` prints: the names of all columns */
export function sacctColumnsOf(helpFormat: string): string[] {
  const known = new Set(helpFormat.toLowerCase().split(/\s+/));
  return [...SACCT_COLUMNS, ...SACCT_COLUMNS_OF_SOME.filter((name) => known.has(name.toLowerCase()))];
}

/** The rows of `sacct --parsable2 --noheader` with times in epoch seconds, while they come. */
export interface SacctReader {
  /** @returns the rows that end in these bytes */
  add(chunk: Uint8Array): SlurmRow[];
  /** To be called when nothing more comes. @returns what there is of a row that was cut off, as a refused one */
  end(): SlurmRow[];
}

/**
 * A row has as many columns as were asked for. A line end within a row belongs to the job's name; a line from which no row can
 * be made is refused by itself, and the row begins with the next one.
 * @param delimiter what stands between two columns: no name may hold it
 */
export function createSacctReader(columns: readonly string[], delimiter: string): SacctReader {
  const decoder = new TextDecoder();
  const rowOf = createRowParser(columns);
  const bordersPerRow = columns.length - 1;
  let partOfLine = '';
  /** Lines of a row that is not whole yet. */
  let held: { readonly line: string; readonly borders: number }[] = [];
  let heldBorders = 0;
  let heldCharacters = 0;

  function refuseFirst(rows: SlurmRow[]): void {
    const { line, borders } = held.shift()!;
    heldBorders -= borders;
    heldCharacters -= line.length;
    if (line === '') return;
    const expected = `expected a row of ${columns.length} columns`;
    rows.push({ kind: 'refused', jobId: undefined, expected, found: `${borders + 1}: ${quoteShort(line)}` });
  }

  function takeHeld(): string {
    const text = held.map(({ line }) => line).join('\n');
    held = [];
    heldBorders = heldCharacters = 0;
    return text;
  }

  function addLine(line: string, rows: SlurmRow[]): void {
    if (line === '' && held.length === 0) return;
    const borders = line.split(delimiter).length - 1;
    held.push({ line, borders });
    heldBorders += borders;
    heldCharacters += line.length;
    while (heldBorders >= bordersPerRow && held.length > 0) {
      if (heldBorders === bordersPerRow) {
        const row = rowOf(
          held
            .map((one) => one.line)
            .join('\n')
            .split(delimiter),
        );
        if (row.kind !== 'refused' || held.length === 1) {
          takeHeld();
          rows.push(row);
          break;
        }
      }
      refuseFirst(rows);
    }
    while (held.length > ROW_LINES_MAX || heldCharacters > ROW_CHARACTERS_MAX) refuseFirst(rows);
  }

  return {
    add(chunk) {
      const lines = (partOfLine + decoder.decode(chunk, { stream: true })).split('\n');
      partOfLine = lines.pop()!;
      const rows: SlurmRow[] = [];
      for (const line of lines) addLine(line, rows);
      if (partOfLine.length > ROW_CHARACTERS_MAX) {
        addLine(partOfLine, rows);
        partOfLine = '';
      }
      return rows;
    },
    end() {
      // A row whose line end is missing may lack a part of its last number as well.
      const text = takeHeld() + partOfLine;
      if (text === '') return [];
      const expected = 'expected a last row with its line end';
      return [{ kind: 'refused', jobId: undefined, expected, found: quoteShort(text) }];
    },
  };
}

function createRowParser(columns: readonly string[]): (cells: readonly string[]) => SlurmRow {
  const places = new Map(columns.map((name, at) => [name, at]));
  const shapes = Object.entries(SHAPES).flatMap(([name, { shape, words }]) => {
    const place = places.get(name);
    return place === undefined ? [] : [{ expected: `${name}: expected ${words}`, shape, place }];
  });
  return (cells) => {
    const wrong = shapes.find(({ shape, place }) => !shape.test(cells[place]!));
    const cell = (name: string): string => cells[places.get(name) ?? -1] ?? '';
    if (wrong === undefined) return rowOf(cell);
    const { expected, place } = wrong;
    const jobId = ['JobIDRaw', 'JobID'].map(cell).find((id) => JOB_ID.test(id) && id.length <= ID_LENGTH_MAX);
    return { kind: 'refused', jobId, expected, found: quoteShort(cells[place]) };
  };
}

function rowOf(cell: (name: string) => string): SlurmRow {
  // "CANCELLED by 1000"
  const state = cell('State').split(' ')[0]!;
  const startUs = timeOf(cell('Start'));
  if (state === 'PENDING' || startUs === undefined) return { kind: 'waiting' };
  const endUs = timeOf(cell('End'));
  if (endUs !== undefined && endUs < startUs)
    return {
      kind: 'refused',
      jobId: cell('JobIDRaw'),
      expected: 'End: expected no time before Start',
      found: quoteShort(cell('End')),
    };
  const array = /^(\d+)_(\d{1,10})$/.exec(cell('JobID'));
  const het = /^(\d+)\+\d+$/.exec(cell('JobID'));
  const tres = cell('AllocTRES');
  const gpus = gpusOfTres(tres);
  return jobRow(
    {
      jobId: cell('JobIDRaw'),
      startUs,
      ...present({
        cluster: asClusterName(cell('Cluster')),
        run: numberOf(cell('Restarts')),
        endUs,
        submitUs: timeOf(cell('Submit')),
        // A job of before the upgrade has none.
        sluid: /^s?0*$/.test(cell('SLUID')) ? undefined : cell('SLUID'),
        name: visibleText(cell('JobName')),
        user: visibleText(cell('User')),
        account: visibleText(cell('Account')),
        partition: visibleText(cell('Partition')),
        qos: visibleText(cell('QOS')),
        arrayJobId: array?.[1],
        arrayTaskId: array?.[2],
        hetJobId: het?.[1],
        nodes: numberOf(cell('NNodes')),
        gpus: gpus === 0 ? undefined : gpus,
        state,
        exitCode: endUs === undefined ? undefined : exitCodeOfPair(cell('ExitCode')),
      }),
    },
    namesGpus(tres) ? true : tres === '' ? undefined : false,
  );
}

/** In what is told of a refused row. */
const ID_LENGTH_MAX = 64;
const JOB_ID = /^\d{1,10}([_+].+)?$/;
const TIME = { shape: /^(\d+|None|Unknown)?$/, words: 'seconds since 1970, None or Unknown' };
const NUMBER = { shape: /^\d*$/, words: 'a whole number' };

/** What each column looks like, and in words; the others are free text. */
const SHAPES: Readonly<Record<string, { readonly shape: RegExp; readonly words: string }>> = {
  JobIDRaw: { shape: /^\d{1,10}$/, words: 'the number of a job' },
  JobID: { shape: JOB_ID, words: 'a job id, as 4217, 4217_3 or 4217+1' },
  State: { shape: /^[A-Z_]+( by .+)?$/, words: 'a word in capitals, as COMPLETED' },
  ExitCode: { shape: /^(\d+:\d+)?$/, words: 'exit status and signal, as 0:15' },
  Start: TIME,
  End: TIME,
  Submit: TIME,
  NNodes: NUMBER,
  Restarts: NUMBER,
  SLUID: { shape: /^[0-9A-Za-z]*$/, words: 'letters and digits' },
};

function numberOf(text: string): number | undefined {
  return text === '' ? undefined : Number(text);
}

/** Undefined for `Unknown` and `None`, and for 0, which some versions write in their place. */
function timeOf(text: string): number | undefined {
  return /^\d+$/.test(text) && Number(text) > 0 ? Number(text) * 1e6 : undefined;
}
