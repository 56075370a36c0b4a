/** What a scheduler says when it is asked: how its nodes are, and who waits. */

/**
 * `up`: takes jobs. `drained`: takes no new ones (also while it is in maintenance). `down`: nothing runs there. `unknown`: the scheduler
 * does not know, or says what nobody understands.
 */
export type NodeState = 'up' | 'drained' | 'down' | 'unknown';

/** A node with GPUs. */
export interface ToldNode {
  readonly node: string;
  readonly state: NodeState;
  /** The scheduler's own words, whole. */
  readonly slurmState: string;
  /** Why it is out of use, in the words of whoever took it out. */
  readonly reason: string | undefined;
  /** Configured on it, MIG instances among them. Above 0. */
  readonly gpus: number;
  /** With commas between them, in the order of the alphabet. */
  readonly partitions: string;
}

/** What a waiting job is, for those that are counted together. */
export interface WaitingLabels {
  readonly partition: string;
  readonly account: string | undefined;
  readonly user: string | undefined;
  readonly qos: string | undefined;
  /** Why it waits. */
  readonly reason: string | undefined;
  /** What it asks for; undefined where any GPU will do. */
  readonly gpuType: string | undefined;
  /** That one such job asks for, over all of its nodes; undefined where it asks for parts of GPUs. */
  readonly gpus: number | undefined;
  /** At least. */
  readonly nodes: number;
}

/** Jobs that wait and are alike; the tasks of an array are jobs. */
export interface WaitingJobs extends WaitingLabels {
  readonly jobs: number;
  /** Epoch µs. */
  readonly submitUs: number;
}

/** A row that cannot be understood. */
export interface RefusedRow {
  /** The same for all rows that are refused for this. */
  readonly expected: string;
  readonly found: string;
}

/** What one question brought. */
export interface Told<Row> {
  readonly rows: readonly Row[];
  readonly refused: readonly RefusedRow[];
}
