import { markup, type Safe } from './html.ts';

/** A number that is read first, and what it is worth. */
export interface Tile {
  readonly value: string;
  readonly name: string;
  readonly note: string;
}

/** Four of them fill a line. */
export function tilesHtml(tiles: readonly Tile[]): Safe {
  return markup`<dl class="tiles">${tiles.map(
    ({ value, name, note }) =>
      markup`<div class="tile"><dt>${name}</dt><dd>${value}</dd><dd class="note">${note}</dd></div>`,
  )}</dl>`;
}
