import { isoMicroseconds } from '../../figures/sql-text.ts';

/** Which of several runs and jobs that bear one id. */
interface WhichJob {
  readonly cluster?: string | undefined;
  /** Epoch µs. */
  readonly submittedUs?: number | undefined;
  readonly run?: number | undefined;
}

/** Addresses of the pages that are served. A page in a file has no others beside it: it has none of them. */
export interface Links {
  readonly fleet: string;
  /** Weeks of the fleet. */
  plan(asked?: Readonly<Record<string, string | undefined>>): string;
  readonly queries: string;
  /** The search, with what is looked for. */
  jobs(asked?: Readonly<Record<string, string | undefined>>): string;
  /** @param id as people type it */
  job(id: string, which?: WhichJob): string;
  /** Where any part of a job's time is told closely. @param id as people type it */
  window(id: string, which?: WhichJob): string;
  user(name: string): string;
  node(name: string): string;
  query(name: string, parameters?: Readonly<Record<string, string | undefined>>): string;
  /** What programs read. @param path below `/api/v1/` */
  api(path: readonly string[], asked?: Readonly<Record<string, string | undefined>>): string;
}

/**
 * The one place that makes addresses: whatever somebody is called is one part of a path, or one value.
 * @param base path of the server as readers see it, with `/` at its end: also below `/node/host/port/` of Open OnDemand
 */
export function linksFrom(base: string): Links {
  const of = (kind: string, name: string): string =>
    // Those are no part of any path, however they are written.
    name === '.' || name === '..'
      ? `${base}jobs`
      : `${base}${kind}/${encodeURIComponent(name.toWellFormed())}`;
  const whichOf = ({ cluster, submittedUs, run }: WhichJob): string =>
    valuesOf({
      cluster,
      submitted: submittedUs === undefined ? undefined : isoMicroseconds(submittedUs),
      run: run === undefined ? undefined : String(run),
    });
  return {
    fleet: base,
    plan: (asked = {}) => `${base}plan${valuesOf(asked)}`,
    queries: `${base}queries`,
    jobs: (asked = {}) => `${base}jobs${valuesOf(asked)}`,
    job: (id, which = {}) => of('job', id) + whichOf(which),
    window: (id, which = {}) => `${of('api/v1/jobs', id)}/window${whichOf(which)}`,
    user: (name) => of('user', name),
    node: (name) => of('node', name),
    api: (path, asked = {}) =>
      `${base}api/v1/${path.map((one) => encodeURIComponent(one.toWellFormed())).join('/')}${valuesOf(asked)}`,
    query: (name, parameters = {}) => of('queries', name) + valuesOf(parameters),
  };
}

function valuesOf(values: Readonly<Record<string, string | undefined>>): string {
  const told = Object.entries(values).flatMap(([name, value]) =>
    value === undefined || value === ''
      ? []
      : [`${encodeURIComponent(name)}=${encodeURIComponent(value.toWellFormed())}`],
  );
  return told.length === 0 ? '' : `?${told.join('&')}`;
}
