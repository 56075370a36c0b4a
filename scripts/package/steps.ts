/** The steps of prepare.js, which are plain JavaScript, since an older Node runs them. */
interface Steps {
  readonly ROOT: string;
  readonly Failure: new (message: string, exitCode: number) => Error & { readonly exitCode: number };
  readonly announce: (line: string) => void;
  readonly run: (
    program: string,
    args: readonly string[],
    options?: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv },
  ) => void;
}

export const { ROOT, Failure, announce, run } = (await import(
  new URL('../step.js', import.meta.url).href
)) as Steps;
