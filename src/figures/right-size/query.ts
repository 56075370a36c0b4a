import { packedTimes } from '../../core/right-size/packing.ts';
import type { Lane } from '../../core/fields/lane.ts';
import type { Span } from '../levels.ts';
import type { Asked } from '../query-cells.ts';
import type { RightSizeFigures, Unsized, WhatIf } from './figures.ts';
import { holdingsOf, sizedGroups, sizeFor, triedWeeks } from './sized.ts';
import { gpuUs, isKnown, readStays, type Stay } from './stays.ts';
import { whatIf, type WhatIfQuestion } from './what-if.ts';

interface RightSizeOptions {
  readonly fromUs: number;
  readonly toUs: number;
  /** Only the GPUs of this cluster; of all when absent. */
  readonly cluster?: string;
  /** Epoch µs up to which a running job is looked at. */
  readonly nowUs: number;
  readonly whatIfs: readonly WhatIfQuestion[];
}

/**
 * Which smaller parts of GPUs would have done for the jobs of a time, and how many GPUs would have sufficed had they had those.
 * @throws OperatingError `report.what_if`, and what `ask` throws
 */
export async function rightSizeFigures(
  db: Asked,
  lanes: readonly Lane[],
  { fromUs, toUs, cluster, nowUs, whatIfs: questions }: RightSizeOptions,
): Promise<RightSizeFigures> {
  const span = { fromUs, toUs };
  const all = await readStays(db, lanes, span, { nowUs, cluster });
  const { stays, fleet } = all;
  const whatIfs = await answers(db, all, span, questions);
  const known = stays.filter(isKnown);
  const groups = Map.groupBy(known, ({ group }) => group);
  const sizes = new Map([...groups].map(([group, own]) => [group, sizeFor(own)]));
  const [time] = packedTimes(
    holdingsOf(stays, (stay) => sizes.get(stay.group)),
    [span],
  );
  return {
    ...{ ...span, cluster, isSynthetic: fleet.isSynthetic },
    groups: sizedGroups(stays),
    sized: sumOf(known),
    unsized: unsizedOf(stays),
    ...time!,
    weeks: triedWeeks(stays, span),
    whatIfs,
  };
}

/** The what-ifs of these figures alone. @throws what `rightSizeFigures` throws */
export async function whatIfFigures(
  db: Asked,
  lanes: readonly Lane[],
  { fromUs, toUs, cluster, nowUs, whatIfs }: RightSizeOptions,
): Promise<WhatIf[]> {
  if (whatIfs.length === 0) return [];
  const span = { fromUs, toUs };
  return await answers(db, await readStays(db, lanes, span, { nowUs, cluster }), span, whatIfs);
}

async function answers(
  db: Asked,
  all: Awaited<ReturnType<typeof readStays>>,
  span: Span,
  questions: readonly WhatIfQuestion[],
): Promise<WhatIf[]> {
  const whatIfs: WhatIf[] = [];
  for (const question of questions) whatIfs.push(await whatIf(db, all, span, question));
  return whatIfs;
}

function sumOf(stays: readonly Stay[]): RightSizeFigures['sized'] {
  return {
    runs: new Set(stays.map(({ run }) => run)).size,
    ownedUs: stays.reduce((sum, stay) => sum + gpuUs(stay), 0),
  };
}

function unsizedOf(stays: readonly Stay[]): RightSizeFigures['unsized'] {
  const unknown = stays.flatMap((stay) => (typeof stay.use === 'string' ? [{ why: stay.use, stay }] : []));
  const byReason = Map.groupBy(unknown, ({ why }) => why);
  return new Map<Unsized, RightSizeFigures['sized']>(
    [...byReason].map(([why, own]) => [why, sumOf(own.map(({ stay }) => stay))]),
  );
}
