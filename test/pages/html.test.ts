import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonScript, markup, raw } from '../../src/report/page/html.ts';

test.each([
  ['<img src=x onerror=alert(1)>', '&lt;img src=x onerror=alert(1)&gt;'],
  ['" onmouseover="alert(1)', '&quot; onmouseover=&quot;alert(1)'],
  ["it's & more", 'it&#39;s &amp; more'],
  ['</script><script>', '&lt;/script&gt;&lt;script&gt;'],
])('%s is text', (text, escaped) => {
  expect(markup`<p title="${text}">${text}</p>`.safe).toBe(`<p title="${escaped}">${escaped}</p>`);
});

test('lists are joined, nothing is nothing, what is made by it is not escaped again', () => {
  const items = ([1, 'a<b', undefined, false] as const).map((item) => markup`<li>${item}</li>`);
  expect(markup`<ul>${items}${raw('<hr>')}</ul>`.safe).toBe(
    '<ul><li>1</li><li>a&lt;b</li><li></li><li></li><hr></ul>',
  );
});

test('no text that is put in opens, closes or ends anything', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const { safe } = markup`<a b="${text}">${text}</a>`;
      expect(safe.slice(6, -4)).not.toMatch(/[<>]{2}|<[^/]|"[^>]*"/);
      expect(safe.match(/</g)).toHaveLength(2);
      expect(safe.match(/"/g)).toHaveLength(2);
    }),
  );
});

test('no value ends the element of its JSON, and all of it comes back', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const { safe } = jsonScript('data', ['</script><!--', value]);
      const inner = safe.slice('<script type="application/json" id="data">'.length, -'</script>'.length);
      expect(inner).not.toContain('<');
      expect(JSON.stringify(JSON.parse(inner))).toBe(JSON.stringify(['</script><!--', value]));
    }),
  );
});
