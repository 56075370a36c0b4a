import type { ComparedAmount, JobHistory } from '../../figures/job/history/figures.ts';

/** A job beside its last runs; what is not known is left out. */
export function historyJson({ runs, compared }: JobHistory): object {
  return {
    runs: runs.map(({ typedId, run, startUs, endUs, amounts }) => ({
      job: typedId,
      run,
      startUs,
      endUs,
      ...amounts,
    })),
    compared: Object.fromEntries(compared.map((one) => [one.key, comparedOf(one)])) as object,
  };
}

function comparedOf({ value, median, mad, count, isRegressed }: ComparedAmount): object {
  return { value, median, mad, runs: count, isRegressed: isRegressed ? true : undefined };
}
