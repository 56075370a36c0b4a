/** A request that gets no answer for who sends it or how, told so that an honest sender can mend it. */
export interface Refusal {
  /** Of HTTP. */
  readonly status: number;
  readonly sentence: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

export function refusal(status: number, sentence: string, headers: Refusal['headers'] = {}): Refusal {
  return { status, sentence, headers };
}
