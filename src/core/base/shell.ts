/** A word as a shell takes it: in quotes where it holds anything that a shell reads as its own. */
export function shellWord(text: string): string {
  return /^[\w.,:+@%/=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A command for people to copy: `` shell`ls -ld ${path}` ``. What is put in is one word each, whatever it holds. */
export function shell(parts: TemplateStringsArray, ...words: readonly (string | number)[]): string {
  return String.raw({ raw: parts }, ...words.map((word) => shellWord(String(word))));
}
