/** What a dashboard is, without Grafana: `build.ts` makes its JSON of it, once for each data source. */

/** Units by Grafana's own names. */
export type Unit =
  | 'percentunit'
  | 'watt'
  | 'kwatth'
  | 'bytes'
  | 'binBps'
  | 'celsius'
  | 's'
  | 'ms'
  | 'h'
  | 'short'
  | 'none'
  | 'dateTimeAsIso';

/**
 * `figures`: one row, a number of each column. `lines`: `time`, columns of numbers, or a text column first that names lines. `map`: the
 * same as a picture, a line of cells for each name. `states`: `time`, `device`, `state`. `days`: `time` and numbers, as bars. `bars`: a
 * name and a number, a bar each. `table`: anything.
 */
export type PanelKind = 'figures' | 'lines' | 'map' | 'states' | 'days' | 'bars' | 'table';

export interface Panel {
  readonly title: string;
  /** What it tells, for the tooltip of its title. */
  readonly about: string;
  readonly kind: PanelKind;
  /** With words: see `words.ts`. */
  readonly sql: string;
  /** Of its numbers. */
  readonly unit?: Unit;
  /** Of single columns. */
  readonly units?: Readonly<Record<string, Unit>>;
  /** Columns of 24, and rows. */
  readonly width: number;
  readonly height: number;
  /** Its second column is `device`, and names the lines. */
  readonly isByDevice?: boolean;
  /** Columns of `days` that are put on each other; the others are lines over them. */
  readonly stacked?: readonly string[];
  /** Steps that it asks for at most, where each is a cell for each of many devices; else as many as it has pixels. */
  readonly stepsMax?: number;
  /** From a column to a dashboard, for the value of the cell. */
  readonly links?: Readonly<Record<string, LinkTarget>>;
}

export type LinkTarget = 'job' | 'node';

interface Section {
  readonly title: string;
  readonly isCollapsed?: boolean;
  readonly panels: readonly Panel[];
}

/** Rows of `time`, `timeEnd`, `title`, `text`, `tags`. */
interface Marks {
  readonly name: string;
  readonly color: string;
  readonly sql: string;
}

/** What Grafana calls the choice of all. */
export const ALL = '$__all';

export type Variable =
  | {
      readonly kind: 'choice';
      readonly name: string;
      readonly label: string;
      /** One column. */
      readonly sql: string;
      /** What is chosen when nobody has; `ALL` for all. */
      readonly first: string;
    }
  | { readonly kind: 'text'; readonly name: string; readonly label: string; readonly first: string };

export interface Dashboard {
  /** `job`: its file, and a part of its uid. */
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** As Grafana has it, `now-6h`. */
  readonly since: string;
  readonly refresh: string;
  readonly variables: readonly Variable[];
  readonly marks: readonly Marks[];
  readonly sections: readonly Section[];
}
