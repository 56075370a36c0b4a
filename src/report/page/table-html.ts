import { markup, type Safe } from './html.ts';

/** Text, or text with an address. */
export type Cell = string | Safe;

/**
 * A table that scrolls by itself where it is wider than the page.
 * @param rows their first cell is what they are called @param left titles of the other columns that hold no numbers
 */
export function tableHtml(
  titles: readonly string[],
  rows: readonly (readonly Cell[])[],
  left: ReadonlySet<string> = new Set(),
): Safe {
  const sides = titles.map((title, at) => (at > 0 && left.has(title) ? 'left' : undefined));
  const side = (at: number): Safe | false => sides[at] !== undefined && markup` class="left"`;
  return markup`<div class="scrolls" role="region" tabindex="0" aria-label="Table, which scrolls"><table>
<thead><tr>${titles.map((title, at) => markup`<th scope="col"${side(at)}>${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([name = '', ...cells]) =>
      markup`<tr><th scope="row">${name}</th>${cells.map((cell, at) => markup`<td${side(at + 1)}>${cell}</td>`)}</tr>`,
  )}</tbody>
</table></div>`;
}
