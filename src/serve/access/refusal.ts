/** A request that gets no answer for who sends it or how, told so that an honest sender can mend it. */
export interface Refusal {
  /** Of HTTP. */
  readonly status: number;
  readonly sentence: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Worth trying again after so long. */
  readonly retryAfterSeconds: number | undefined;
}

export function refusal(status: number, sentence: string, headers: Refusal['headers'] = {}): Refusal {
  return { status, sentence, headers, retryAfterSeconds: undefined };
}

/** One that a later try may not meet. */
export function waiting(status: number, sentence: string, waitMs: number): Refusal {
  return { status, sentence, headers: {}, retryAfterSeconds: Math.ceil(waitMs / 1000) };
}
