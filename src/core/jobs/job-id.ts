/**
 * Job ids as people type them. What is stored is the scheduler's raw id; `4217_3`, `4217+1`, `4217.batch`, `123[4]` are
 * what its commands print. One text can be read in several ways, and a raw id may be any text: all readings, likeliest first.
 */
export type JobIdReading =
  /** Stored just so; or that of an array or a heterogeneous job. */
  | { readonly how: 'id'; readonly jobId: string }
  /** Slurm's own name of one run, from 25.11 on. */
  | { readonly how: 'sluid'; readonly sluid: string }
  | { readonly how: 'task'; readonly arrayJobId: string; readonly taskId: string }
  /** All tasks of an array, or those in `tasks`. */
  | { readonly how: 'array'; readonly arrayJobId: string; readonly tasks?: readonly TaskRange[] }
  /** Components of a heterogeneous job. */
  | { readonly how: 'components'; readonly hetJobId: string; readonly offsets: readonly TaskRange[] }
  /** Ids that begin so: PBS appends its server, and puts the task of an array into brackets. */
  | { readonly how: 'beginning'; readonly text: string; readonly tasks?: readonly TaskRange[] };

/** Numbers of tasks or components from `first` to `last`, each `step`-th. */
export interface TaskRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

export interface TypedJobId {
  /** Without blanks around it. */
  readonly typed: string;
  /** Of a step's id, the name of the step: `batch`, `extern`, `interactive`, or its number. The readings are of its job. */
  readonly step?: string;
  readonly readings: readonly JobIdReading[];
  /** It has a form that schedulers print; else it is a text like any other. */
  readonly isForm: boolean;
}

const JOB_OF_STEP = /\d+(?:[_+](?:\d+|\[[^\]]*\]))?|s[0-9a-tv-z]{13}/i;
/** A step may name a component once more: `4217.0+1`. */
const STEP = new RegExp(`^(${JOB_OF_STEP.source})\\.((?:batch|extern|interactive|\\d+)(?:\\+\\d+)?)$`, 'i');
const SLURM_TASK = /^(\d+)_(\d+)$/;
const SLURM_TASKS = /^(\d+)_\[([^\]]*)\]$/;
const SLURM_COMPONENTS = /^(\d+)\+(?:(\d+)|\[([^\]]*)\])$/;
/** Thirteen digits of Crockford's base 32 after the letter: either case, and i, l, o for the digits that they look like. */
const SLUID = /^s[0-9a-tv-z]{13}$/i;
/** PBS and LSF: number, task or tasks in brackets, server. */
const BRACKETS = /^(\d+)(\[([^\]]*)\])?(\.[A-Za-z][\w.-]*)?$/;
/** Flux: letters and digits of base 58, unlike a word. The first letter may be typed without its tail. */
const FLUX = /^[ƒf](?=.*[1-9A-Z])([1-9A-HJ-NP-Za-km-z]+)$/;

/** The forms above, for whoever typed another one. */
export const JOB_ID_FORMS =
  '4217, 4217_3, 4217_[1-4,7], 4217+1, 4217+[0-1], 4217.batch, 123[4].server, ƒuzzBuzz, s0BCD3FGH1JKM0';

/** @param text as it came, also with blanks around it */
export function readJobId(text: string): TypedJobId {
  const typed = text.trim();
  const verbatim = [...new Set([text, typed])].map((jobId): JobIdReading => ({ how: 'id', jobId }));
  const [, job, step] = STEP.exec(typed) ?? [];
  const more: JobIdReading[] =
    job === undefined ? moreReadings(typed) : [{ how: 'id', jobId: job }, ...moreReadings(job)];
  return {
    typed,
    ...(step === undefined ? {} : { step }),
    readings: [...verbatim, ...more],
    isForm: more.length > 0,
  };
}

function moreReadings(typed: string): JobIdReading[] {
  const task = SLURM_TASK.exec(typed);
  if (task !== null) return [{ how: 'task', arrayJobId: task[1]!, taskId: String(Number(task[2])) }];
  const some = SLURM_TASKS.exec(typed);
  if (some !== null) return arrayReadings(some[1]!, some[2]!);
  const components = SLURM_COMPONENTS.exec(typed);
  if (components !== null) {
    const [, hetJobId, one, some] = components;
    const offsets = taskRanges(one ?? some!);
    return offsets === undefined ? [] : [{ how: 'components', hetJobId: hetJobId!, offsets }];
  }
  const flux = FLUX.exec(typed);
  const spellings: JobIdReading[] =
    flux === null
      ? []
      : [
          { how: 'id', jobId: `ƒ${flux[1]!}` },
          { how: 'id', jobId: `f${flux[1]!}` },
        ];
  const sluid: JobIdReading[] = SLUID.test(typed) ? [{ how: 'sluid', sluid: canonicalSluid(typed) }] : [];
  return [
    ...sluid,
    ...spellings.filter((one) => one.how !== 'id' || one.jobId !== typed),
    ...bracketReadings(typed),
  ];
}

function arrayReadings(arrayJobId: string, list: string): JobIdReading[] {
  const tasks = taskRanges(list);
  return tasks === undefined ? [] : [{ how: 'array', arrayJobId, tasks }];
}

function bracketReadings(typed: string): JobIdReading[] {
  const [whole, number, brackets, list = '', server] = BRACKETS.exec(typed) ?? [];
  if (whole === undefined) return [];
  const job = number!;
  if (brackets === undefined) {
    const bare: JobIdReading[] = server === undefined ? [] : [{ how: 'id', jobId: job }];
    return [...bare, { how: 'beginning', text: `${job}.` }, { how: 'beginning', text: `${job}[` }];
  }
  const tasks = list === '' ? undefined : taskRanges(list);
  if (list !== '' && tasks === undefined) return [];
  if (/^\d+$/.test(list))
    return [
      ...(server === undefined ? [] : [{ how: 'id', jobId: `${job}[${list}]` } as const]),
      { how: 'task', arrayJobId: job, taskId: String(Number(list)) },
      { how: 'beginning', text: `${job}[${list}].` },
    ];
  return [
    { how: 'array', arrayJobId: job, ...(tasks === undefined ? {} : { tasks }) },
    { how: 'beginning', text: `${job}[`, ...(tasks === undefined ? {} : { tasks }) },
  ];
}

/** As Slurm prints it. */
function canonicalSluid(typed: string): string {
  const digits = typed.slice(1).toUpperCase().replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  return `s${digits}`;
}

/** `1-4,7%2`, `1-10:2`: after the percent sign is how many run at once. @returns undefined for what is no list of tasks */
function taskRanges(list: string): TaskRange[] | undefined {
  const ranges: TaskRange[] = [];
  for (const part of list.replace(/%\d+$/, '').split(',')) {
    const [whole, first, last = first, step = '1'] = /^(\d+)(?:-(\d+)(?::(\d+))?)?$/.exec(part) ?? [];
    if (whole === undefined || Number(step) === 0 || Number(last) < Number(first)) return undefined;
    ranges.push({ first: Number(first), last: Number(last), step: Number(step) });
  }
  return ranges;
}

export function isTaskIn(taskId: string | undefined, ranges: readonly TaskRange[]): boolean {
  const task = taskId !== undefined && /^\d+$/.test(taskId) ? Number(taskId) : NaN;
  return ranges.some(({ first, last, step }) => task >= first && task <= last && (task - first) % step === 0);
}

/** The task that stands in brackets in a raw id of PBS or LSF. */
export function taskInBrackets(jobId: string): string | undefined {
  return /^\d+\[(\d+)\]/.exec(jobId)?.[1];
}

/** A reading in words, for whoever wonders why nothing was found. */
export function readingText(reading: JobIdReading): string {
  switch (reading.how) {
    case 'id':
      return `the id ${reading.jobId}`;
    case 'sluid':
      return `the SLUID ${reading.sluid}`;
    case 'task':
      return `task ${reading.taskId} of array ${reading.arrayJobId}`;
    case 'array':
      return `tasks of array ${reading.arrayJobId}`;
    case 'components': {
      const [{ first, last }, ...more] = reading.offsets as [TaskRange, ...TaskRange[]];
      const one = more.length === 0 && first === last;
      return `${one ? `component ${first}` : 'components'} of heterogeneous job ${reading.hetJobId}`;
    }
    case 'beginning':
      return `ids that begin with ${reading.text}`;
  }
}
