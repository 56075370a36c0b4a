/** Moments with fromUs ≤ t < toUs, epoch µs. */
interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Lists of spans are ascending and without overlaps. */
type Spans = readonly Span[];

/** All that any of them covers. @param spans in any order */
export function joined(spans: Spans): Span[] {
  const whole: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.fromUs - b.fromUs)) {
    const last = whole.at(-1);
    if (last === undefined || span.fromUs > last.toUs) whole.push(span);
    else whole[whole.length - 1] = { ...last, toUs: Math.max(last.toUs, span.toUs) };
  }
  return whole;
}

export function common(a: Spans, b: Spans): Span[] {
  const spans: Span[] = [];
  for (const { fromUs, toUs } of a)
    for (const other of b)
      if (other.fromUs < toUs && other.toUs > fromUs)
        spans.push({ fromUs: Math.max(fromUs, other.fromUs), toUs: Math.min(toUs, other.toUs) });
  return spans;
}

export function without(a: Spans, b: Spans): Span[] {
  return a.flatMap(({ fromUs, toUs }) => {
    const left: Span[] = [];
    let atUs = fromUs;
    for (const other of common([{ fromUs, toUs }], b)) {
      if (other.fromUs > atUs) left.push({ fromUs: atUs, toUs: other.fromUs });
      atUs = other.toUs;
    }
    return atUs < toUs ? [...left, { fromUs: atUs, toUs }] : left;
  });
}

/** Whether they have any time in common. */
export function overlap(a: Span, b: Span): boolean {
  return a.fromUs < b.toUs && a.toUs > b.fromUs;
}
