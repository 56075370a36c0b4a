/** One thing that was done to the database, or deliberately not done. */
export interface SchemaChange {
  readonly action:
    | 'created'
    | 'added_column'
    | 'changed_ttl'
    | 'enabled_dedup'
    | 'changed_keys'
    | 'filled'
    | 'moved'
    | 'dropped'
    | 'rebuilt'
    | 'labelled'
    | 'kept';
  /** Table or view. */
  readonly object: string;
  /** A clause for people; empty when `action` says it all. */
  readonly detail: string;
}
