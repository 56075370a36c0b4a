/** Text that needs no more escaping: only `markup`, `raw` and `jsonScript` make it. */
export interface Safe {
  readonly safe: string;
}

type Value = Safe | string | number | false | undefined | readonly Value[];

/**
 * Text of HTML or SVG in which whatever is put in is escaped, unless it is such text itself. Attributes are to be quoted. Lists are
 * joined; `undefined` and `false` are nothing.
 */
export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Safe {
  return { safe: strings.map((text, at) => text + textOf(values[at])).join('') };
}

/** Nobody's text but that of files which come with gpuledger. */
export function raw(text: string): Safe {
  return { safe: text };
}

/** For a script element: no text in it can end the element. */
export function jsonScript(id: string, value: unknown): Safe {
  const text = JSON.stringify(value).replaceAll('<', '\\u003c');
  return { safe: `<script type="application/json" id="${id}">${text}</script>` };
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function textOf(value: Value): string {
  if (value === undefined || value === false) return '';
  if (typeof value === 'string') return escaped(value);
  if (typeof value === 'number') return String(value);
  return 'safe' in value ? value.safe : value.map(textOf).join('');
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}
