import { beginsModel } from '../devices/model-beginning.ts';

/** A number for each model of GPU: what an hour of it costs, or how many normalised units it is. Of whole GPUs. */
export interface ModelRates {
  /** By the beginning of a model's name, in whole words; of several the longest counts. */
  readonly models: ReadonlyMap<string, number>;
  /** Of every other model, and of GPUs of which nobody told the model. Undefined: those have none, which is not 0. */
  readonly others: number | undefined;
}

/** The rate of a model as the inventory tells it; undefined where it has none. */
export function rateOf({ models, others }: ModelRates, model: string | undefined): number | undefined {
  if (model === undefined) return others;
  const beginnings = [...models.keys()].filter((beginning) => beginsModel(beginning, model));
  const longest = beginnings.sort((a, b) => b.length - a.length)[0];
  return longest === undefined ? others : models.get(longest);
}
