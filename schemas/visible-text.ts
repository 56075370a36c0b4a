/** Free text of users (a job's name) is kept up to here; longer is cut, as data nobody queries by. */
const TEXT_CHARACTERS_MAX = 1024;
/** Controls, other line ends, and halves of characters. Most texts have none. */
const UNSEEN = /[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]/;

/**
 * Text of users with marks that can be seen in place of line ends (`⏎`) and of other control characters (`␛`): it is printed
 * into lines, tables and terminals.
 */
export function visibleText(text: string): string {
  const short = text.slice(0, TEXT_CHARACTERS_MAX);
  if (!UNSEEN.test(short)) return short;
  return (
    short
      .toWellFormed()
      .replace(/\r\n|[\n\r\u0085\u2028\u2029]/g, '⏎')
      // Unicode has a picture of each.
      .replace(/[\0-\x1f]/g, (character) => String.fromCharCode(0x2400 + character.charCodeAt(0)))
      .replaceAll('\x7f', '␡')
      .replace(/[\x80-\x9f]/g, '\ufffd')
  );
}
