/** Whether a model's name begins so, in whole words: an `L4` is no `L40`, and an `A30` none that ends otherwise. */
export function beginsModel(beginning: string, model: string): boolean {
  return model.startsWith(beginning) && !/^\w/.test(model.slice(beginning.length));
}
