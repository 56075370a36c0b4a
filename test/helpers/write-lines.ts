/** Rows as lines of the ILP text protocol: thousands of them at once, where `insertRows` would take minutes. */
export interface SampleLine {
  readonly gpu: string;
  readonly node: string;
  readonly jobId: string;
  /** Epoch µs. */
  readonly tsUs: number;
  readonly dtUs: number;
  /** By column; NaN is left out. */
  readonly values: Readonly<Record<string, number>>;
}

const LINES_PER_REQUEST = 20_000;

/** Writes samples of devices that one job has alone. @param url of the server */
export async function writeLines(url: string, table: string, samples: readonly SampleLine[]): Promise<void> {
  for (let from = 0; from < samples.length; from += LINES_PER_REQUEST) {
    const body = samples
      .slice(from, from + LINES_PER_REQUEST)
      .map(lineOf.bind(undefined, table))
      .join('');
    const answer = await fetch(`${url}/write?precision=u`, { method: 'POST', body });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  }
}

function lineOf(table: string, { gpu, node, jobId, tsUs, dtUs, values }: SampleLine): string {
  const known = Object.entries(values).filter(([, value]) => !Number.isNaN(value));
  const cells = known.map(([column, value]) => `,${column}=${value}`).join('');
  return `${table},node=${node},gpu=${gpu} job_id="${jobId}",owners=1i,dt_us=${dtUs}i${cells} ${tsUs}\n`;
}
