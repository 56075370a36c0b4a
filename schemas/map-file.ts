/**
 * The files of dcgm-exporter's job map directory (`--hpc-job-mapping-dir`): the name is the GPU index or, for a MIG
 * instance, `index.gpuInstanceId`; the content is one job id a line, verbatim.
 */

/** Names that the exporter reads. It compares them as text, so `01` is a well-formed name that matches no device. */
const MAP_FILE_NAME = /^\d+(\.\d+)?$/;

/** A map file holds a few job ids. */
export const MAP_FILE_BYTES_MAX = 1 << 20;
/** More than share a device (MPS has 60 clients at most): somebody adds jobs and takes none out. */
export const MAP_FILE_JOBS_MAX = 256;
/** The exporter refuses lines of this length; so do we. */
const LINE_BYTES_MAX = 64 * 1024;
/** As long as job ids are stored. The longest that a scheduler makes has about 30. */
export const JOB_ID_CHARACTERS_MAX = 256;
/** What a decoder puts in the place of bytes that are no UTF-8. */
const NO_CHARACTER = '\uFFFD';
// A control character in a job id is a writer's fault, and would break terminals and tables.
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;

export interface MapFile {
  /** Distinct, in the order of the file. */
  readonly jobIds: readonly string[];
  /** One sentence for each line that names a job which cannot be taken over: what was expected, what came. */
  readonly faults: readonly string[];
}

export function isMapFileName(name: string): boolean {
  return MAP_FILE_NAME.test(name);
}

/** Reads the whole content of one map file. Blank lines and repeated ids mean nothing; a last newline may be missing. */
export function parseMapFile(content: Uint8Array): MapFile {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(content);
  const jobIds = new Set<string>();
  const faults: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const jobId = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (jobId.trim() === '') continue;
    const fault = faultOfJobId(jobId);
    if (fault === undefined) jobIds.add(jobId);
    else faults.push(`line ${index + 1}: ${fault}`);
  }
  return { jobIds: [...jobIds], faults };
}

/** Why a text cannot be a job id, or undefined when it can. */
export function faultOfJobId(jobId: string): string | undefined {
  if (jobId.length >= LINE_BYTES_MAX) return `expected a job id, found a line of ${jobId.length} characters`;
  if (jobId.length > JOB_ID_CHARACTERS_MAX) {
    return `expected a job id of at most ${JOB_ID_CHARACTERS_MAX} characters, found ${jobId.length}`;
  }
  if (jobId.includes(NO_CHARACTER)) return 'expected a job id in UTF-8, found bytes that are no UTF-8';
  if (CONTROL_CHARACTER.test(jobId)) return 'expected a job id, found control characters in it';
  return undefined;
}
