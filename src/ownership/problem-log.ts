import type { OperatingError } from '../core/base/errors.ts';

/** Problems by subject, each told once per episode: again only after `clear`, or when it has become another one. */
export class ProblemLog {
  readonly #told = new Map<string, string>();
  #news: OperatingError[] = [];

  tell(subject: string, problem: OperatingError): void {
    if (this.#told.get(subject) === problem.code) return;
    this.#told.set(subject, problem.code);
    this.#news.push(problem);
  }

  clear(subject: string): void {
    this.#told.delete(subject);
  }

  /** What was told since the last call. */
  take(): OperatingError[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }
}
