import { markup, type Safe } from './html.ts';

/**
 * A table that scrolls by itself where it is wider than the page.
 * @param rows their first cell is what they are called
 */
export function tableHtml(titles: readonly string[], rows: readonly (readonly string[])[]): Safe {
  return markup`<div class="scrolls" role="region" tabindex="0" aria-label="Table, which scrolls"><table>
<thead><tr>${titles.map((title) => markup`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    ([name = '', ...cells]) =>
      markup`<tr><th scope="row">${name}</th>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>`,
  )}</tbody>
</table></div>`;
}
