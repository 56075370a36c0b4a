import { expect, test } from 'vitest';
import { parseConf } from '../../../src/ownership/slurm/conf-lines.ts';

/** `1: a=b c=d`, `2: include x`, `3: fault y`. */
function read(text: string): string[] {
  return [...parseConf(text)].map((one) => {
    switch (one.kind) {
      case 'words':
        return `${one.line}: ${one.words.map(({ key, value }) => `${key}=<${value}>`).join(' ')}`;
      case 'include':
        return `${one.line}: include <${one.path}>`;
      case 'fault':
        return `${one.line}: fault <${one.rest}>`;
    }
  });
}

test.each([
  { what: 'words', text: 'NodeName=n1 Gres=gpu:4\n', read: ['1: nodename=<n1> gres=<gpu:4>'] },
  { what: 'keys in any case', text: 'GRESTYPES=Gpu', read: ['1: grestypes=<Gpu>'] },
  { what: 'blanks around the sign', text: ' A = b\tC\t=d ', read: ['1: a=<b> c=<d>'] },
  { what: 'quotes', text: 'A="b, c" B="" C="d"', read: ['1: a=<b, c> b=<> c=<d>'] },
  { what: 'a quote within a value is a character', text: 'A=b"c A="b"c', read: ['1: a=<b"c> a=<"b"c>'] },
  { what: 'a comment', text: 'A=b # c\n#\nB=c#d', read: ['1: a=<b>', '3: b=<c>'] },
  { what: 'a comment begins within quotes too', text: 'B="c # d"', read: ['1: b=<"c>'] },
  {
    what: 'an escaped #, and an escaped backslash before a #',
    text: 'A=b\\#c\nA=b\\\\#c',
    read: ['1: a=<b#c>', '2: a=<b\\>'],
  },
  {
    what: 'continued lines, joined without a blank',
    text: 'A=b\\\nC=d \\\n  E=f\nG=h',
    read: ['1: a=<bC=d> e=<f>', '4: g=<h>'],
  },
  {
    what: 'a continuation with blanks, a carriage return, or a comment behind it',
    text: 'A=b \\ \nC=d \\\r\nE=f \\ # x\nG=h',
    read: ['1: a=<b> c=<d> e=<f> g=<h>'],
  },
  {
    what: 'an even number of backslashes continues nothing',
    text: 'A=b\\\\\nC=d',
    read: ['1: a=<b\\>', '2: c=<d>'],
  },
  { what: 'a comment ends a continuation', text: 'A=b # c \\\nC=d', read: ['1: a=<b>', '2: c=<d>'] },
  { what: 'a continuation at the end of the file', text: 'A=b \\', read: ['1: a=<b>'] },
  { what: 'carriage returns', text: 'A=b\r\nC=d\r\n', read: ['1: a=<b>', '2: c=<d>'] },
  { what: 'operators', text: 'A+=b C-=d', read: ['1: a=<b> c=<d>'] },
  {
    what: 'include',
    text: 'Include  x/y.conf # z\nINCLUDE z',
    read: ['1: include <x/y.conf>', '2: include <z>'],
  },
  { what: 'include only at the start of a line', text: ' Include x', read: ['1: fault <Include x>'] },
  { what: 'a key that begins like it', text: 'IncludeThis=x', read: ['1: includethis=<x>'] },
  {
    what: 'a line that is no word',
    text: 'A=b\nwhat is this',
    read: ['1: a=<b>', '2: fault <what is this>'],
  },
  { what: 'a word without a value', text: 'A= \nB=c d', read: ['1: fault <A=>', '2: fault <d>'] },
  { what: 'quotes that do not end', text: 'A="b c', read: ['1: fault <c>'] },
  { what: 'a byte order mark', text: '\uFEFFA=b', read: ['1: fault <\uFEFFA=b>'] },
  { what: 'nothing', text: '\n \n\t\n', read: [] },
])('$what', ({ text, read: expected }) => {
  expect(read(text)).toEqual(expected);
});
