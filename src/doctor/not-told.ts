/** Thrown by what a check asks, where it cannot be told. */
export class NotTold extends Error {
  override readonly name = 'NotTold';
  readonly lacksRights: boolean;
  readonly mend: readonly string[];

  constructor(
    what: string,
    {
      lacksRights = false,
      mend = [],
    }: { readonly lacksRights?: boolean; readonly mend?: readonly string[] } = {},
  ) {
    super(what);
    this.lacksRights = lacksRights;
    this.mend = mend;
  }
}
