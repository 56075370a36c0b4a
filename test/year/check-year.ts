import type { CapacityFigures, CapacityRow, InstalledRow } from '../../src/figures/capacity/figures.ts';
import { capacityFigures, type CapacityQueryOptions } from '../../src/figures/capacity/query.ts';
import type { Asked } from '../../src/figures/query-cells.ts';
import { yearLane } from './fill-year.ts';
import { endUsOf, type Year } from './plan.ts';
import { tellYear, type TrueHour, type YearName } from './truth.ts';

/** What is asked of a year, as a planner would. */
export const YEAR_QUESTIONS: readonly { readonly names: readonly YearName[]; readonly every?: 'month' }[] = [
  { names: ['account'] },
  { names: ['account'], every: 'month' },
  { names: ['user'] },
  { names: ['cluster'], every: 'month' },
  { names: ['model', 'cluster'] },
  { names: ['node'] },
  { names: ['account', 'model'], every: 'month' },
];
export type YearQuestion = (typeof YEAR_QUESTIONS)[number];

/** By group; a group of none is its kind. */
export interface Answer {
  readonly rows: Readonly<Record<string, Row>>;
  readonly parts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly jobs: number;
}

interface Row {
  ownedUs: number;
  unownedUs: number;
  idleUs: number;
  joules: number;
  jobs: number;
}

export async function askYear(
  db: Asked,
  year: Year,
  { names: [by, ...also], every }: YearQuestion,
): Promise<CapacityFigures> {
  const options: CapacityQueryOptions = {
    ...{ fromUs: year.startUs, toUs: endUsOf(year), by: by!, also },
    ...(every === undefined ? {} : { every }),
  };
  return await capacityFigures(db, [yearLane], options);
}

/** What the report says. */
export function toldAnswer({ rows, installed, all }: CapacityFigures): Answer {
  const keyOf = ({ kind, name, also, period }: CapacityRow | InstalledRow): string =>
    keyFrom(kind === 'group' ? [name, ...also] : [kind], period);
  const told = rows.map((row): [string, Row] => {
    const isGroup = row.kind === 'group';
    return [
      keyOf(row),
      {
        ownedUs: isGroup ? row.attributedUs : 0,
        unownedUs: isGroup ? (row.unownedUs ?? 0) : row.attributedUs,
        idleUs: isGroup ? (row.idle?.value ?? 0) : 0,
        joules: row.energy.counter?.value ?? 0,
        jobs: row.jobs,
      },
    ];
  });
  return {
    rows: Object.fromEntries(told),
    parts: Object.fromEntries(installed.rows.map((row) => [keyOf(row), row.parts])),
    jobs: all.jobs,
  };
}

/** Whether rows are all that there is, to the microsecond. */
export function addsUp({ rows, installed, all }: CapacityFigures): boolean {
  const seenUs = rows.reduce((us, { attributedUs }) => us + attributedUs, 0);
  const parts: Record<string, number> = {};
  for (const row of installed.rows)
    for (const [part, us] of Object.entries(row.parts)) parts[part] = (parts[part] ?? 0) + us;
  const same = Object.keys({ ...parts, ...installed.all });
  return (
    seenUs === all.attributedUs &&
    same.every((part) => parts[part] === (installed.all as Record<string, number>)[part])
  );
}

function keyFrom(names: readonly unknown[], period: string | undefined): string {
  return [...names, ...(period === undefined ? [] : [period])].join(' | ');
}

/** The same, counted hour by hour: all questions at once. */
export function trueAnswers(year: Year, questions: readonly YearQuestion[]): Answer[] {
  const counts = questions.map((question) => new Count(question));
  tellYear(year, (hour) => {
    for (const count of counts) count.add(hour);
  });
  return counts.map((count) => count.answer());
}

/** Counts what one question asks for. */
class Count {
  readonly #question: YearQuestion;
  readonly #isOfDevices: boolean;
  readonly #rows = new Map<string, Row>();
  readonly #jobs = new Map<string, Set<number>>();
  readonly #parts = new Map<string, Record<string, number>>();
  /** Of each device, of the last period in which nobody saw it for a time: which, and how its node was then. */
  readonly #lastUnseen = new Map<number, { readonly key: string; readonly parts: Set<string> }>();
  readonly #all = new Set<number>();

  constructor(question: YearQuestion) {
    this.#question = question;
    this.#isOfDevices = !question.names.some((name) => name === 'account' || name === 'user');
  }

  add(hour: TrueHour): void {
    const { gpu, kind, us, joules, isIdle, job, month, names } = hour;
    const part = this.#partOf(hour);
    const period = this.#question.every && month;
    const isGroup = kind === 'owned' || (this.#isOfDevices && kind !== 'unallocated');
    const key = keyFrom(isGroup ? this.#question.names.map((name) => names[name]) : [kind], period);
    if (job !== undefined) {
      const jobs = this.#jobs.get(key) ?? new Set();
      this.#jobs.set(key, jobs.add(job));
      this.#all.add(job);
    }
    if (kind !== 'unseen') {
      const row = this.#row(key);
      row[kind === 'owned' ? 'ownedUs' : 'unownedUs'] += us;
      if (isIdle) row.idleUs += us;
      if (kind !== 'unowned' || !this.#isOfDevices) row.joules += joules;
    } else {
      const before = this.#lastUnseen.get(gpu);
      const parts = before?.key === key ? before.parts : new Set<string>();
      this.#lastUnseen.set(gpu, { key, parts: parts.add(part) });
    }
    if (kind === 'unowned' && this.#isOfDevices) {
      const unowned = this.#row(keyFrom(['unowned'], period));
      unowned.unownedUs += us;
      unowned.joules += joules;
    }
    if (us === 0) return;
    const parts = this.#parts.get(key) ?? {};
    parts[part] = (parts[part] ?? 0) + us;
    this.#parts.set(key, parts);
  }

  answer(): Answer {
    // A device is known until its last sample, a µs before the end of the hour for which that speaks.
    // Of what was not seen that is taken last which comes last: what a node's state told of comes before the rest.
    for (const { key, parts } of this.#lastUnseen.values()) {
      const last = ['unseen', 'drained', 'down'].find((part) => parts.has(part))!;
      this.#parts.get(key)![last]! -= 1;
    }
    for (const [key, jobs] of this.#jobs) this.#row(key).jobs = jobs.size;
    return {
      rows: Object.fromEntries(this.#rows),
      parts: Object.fromEntries(this.#parts),
      jobs: this.#all.size,
    };
  }

  #partOf({ kind, part, isIdle, isOfTwoMonths }: TrueHour): string {
    if (kind !== 'owned' || this.#question.every === undefined || !isOfTwoMonths) return part;
    return isIdle ? 'idle' : 'untold';
  }

  #row(key: string): Row {
    const row = this.#rows.get(key) ?? { ownedUs: 0, unownedUs: 0, idleUs: 0, joules: 0, jobs: 0 };
    this.#rows.set(key, row);
    return row;
  }
}
