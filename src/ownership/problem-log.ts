import type { OperatingError } from '../core/base/errors.ts';

/** Problems by subject, each handed out once per episode: again only after `clear`, or when it has become another one. */
export class ProblemLog {
  readonly #known = new Map<string, string>();
  #news: OperatingError[] = [];

  record(subject: string, problem: OperatingError): void {
    if (this.#known.get(subject) === problem.code) return;
    this.#known.set(subject, problem.code);
    this.#news.push(problem);
  }

  clear(subject: string): void {
    this.#known.delete(subject);
  }

  /** What was recorded since the last call. */
  take(): OperatingError[] {
    const news = this.#news;
    this.#news = [];
    return news;
  }
}
