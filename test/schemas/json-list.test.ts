import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createJsonList } from '../../schemas/json-list.ts';

const bytesOf = (text: string): Buffer => Buffer.from(text);

/** Feeds the text in pieces of these sizes, over and over. */
function readInPieces(bytes: Buffer, sizes: readonly number[]): { elements: string[]; end: () => unknown } {
  const list = createJsonList('jobs');
  const elements: string[] = [];
  for (let at = 0, piece = 0; at < bytes.length; piece += 1) {
    const size = sizes[piece % sizes.length]!;
    elements.push(...list.add(bytes.subarray(at, at + size)));
    at += size;
  }
  return { elements, end: () => list.end() };
}

const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 });
/** Objects whose other keys and values look as much like the list as they can. */
const around = fc.dictionary(
  fc
    .oneof(fc.constantFrom('meta', 'errors', 'jobs ', 'x"jobs":['), fc.string({ unit: 'binary' }))
    .filter((key) => key !== 'jobs'),
  fc.jsonValue(),
);
const reply = fc.record({
  before: around,
  jobs: fc.array(
    fc.oneof(fc.jsonValue(), fc.record({ jobs: fc.array(fc.jsonValue()) }), fc.string({ unit: 'binary' })),
  ),
  after: around,
  indent: fc.constantFrom(undefined, 1, '\t'),
});

function textOf({
  before,
  jobs,
  after,
  indent,
}: typeof reply extends fc.Arbitrary<infer T> ? T : never): string {
  const wanted = Object.keys(after).filter((key) => !(key in before));
  const rest = Object.fromEntries(wanted.map((key) => [key, after[key]]));
  return JSON.stringify({ ...before, jobs, ...rest }, null, indent);
}

describe('a list within JSON, read in pieces', () => {
  test('gives what JSON.parse gives, wherever the pieces end', () => {
    fc.assert(
      fc.property(reply, sizes, (one, pieces) => {
        const text = textOf(one);
        const whole = JSON.parse(text) as { jobs: unknown[] };
        const { elements, end } = readInPieces(bytesOf(text), pieces);
        expect(elements.map((element) => JSON.parse(element) as unknown)).toEqual(whole.jobs);
        expect(end()).toEqual({ ...whole, jobs: [] });
      }),
    );
  });

  test('of half a reply gives the elements that are whole, and says that it is half', () => {
    fc.assert(
      fc.property(reply, sizes, fc.double({ min: 0, max: 1, noNaN: true }), (one, pieces, part) => {
        const bytes = bytesOf(textOf(one));
        const { elements, end } = readInPieces(
          bytes.subarray(0, Math.floor(part * (bytes.length - 1))),
          pieces,
        );
        const first = one.jobs.slice(0, elements.length);
        expect(elements.map((element) => JSON.parse(element) as unknown)).toEqual(
          JSON.parse(JSON.stringify(first)),
        );
        expect(end).toThrow(SyntaxError);
      }),
    );
  });

  test.each([
    { text: '', says: /JSON/ },
    { text: 'slurm_load_jobs error: Unable to contact slurm controller', says: /JSON/ },
    { text: '{"meta":{}}', says: /list "jobs"/ },
    { text: '[{"jobs":[]}]', says: /list "jobs"/ },
    { text: '{"jobs":{}}', says: /list "jobs"/ },
    { text: '{"jobs":[]}{"jobs":[]}', says: /JSON/ },
  ])('refuses $text', ({ text, says }) => {
    expect(readInPieces(bytesOf(text), [7]).end).toThrow(says);
  });

  test.each([
    { text: '{"jobs":[1,,2]}', elements: ['1', '', '2'] },
    { text: '{"jobs":[1,]}', elements: ['1', ''] },
    { text: '{"jobs":[{"a":1} {"b":2}]}', elements: ['{"a":1} {"b":2}'] },
  ])('leaves it to the reader of an element that $text holds none', ({ text, elements }) => {
    expect(readInPieces(bytesOf(text), [3]).elements).toEqual(elements);
  });

  test('bounds an element', () => {
    const list = createJsonList('jobs');
    list.add(bytesOf('{"jobs":["'));
    const piece = Buffer.alloc(1 << 20, 'x');
    expect(() => {
      for (let mebibytes = 0; mebibytes < 33; mebibytes += 1) list.add(piece);
    }).toThrow(/an element of "jobs" is longer than 32 MiB/);
  });
});
