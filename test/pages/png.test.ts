import { crc32, inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { pngUrl } from '../../src/report/page/png.ts';

/** Chunks of a PNG, as its specification has them: length, type, data, sum. */
function chunksOf(png: Buffer): Map<string, Buffer> {
  expect(png.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    const named = png.subarray(at + 4, at + 8 + length);
    expect(png.readUInt32BE(at + 8 + length)).toBe(crc32(named));
    chunks.set(named.subarray(0, 4).toString('latin1'), named.subarray(4));
    at += 12 + length;
  }
  return chunks;
}

test('a picture of three by two pixels', () => {
  const url = pngUrl(
    [Uint8Array.of(0, 1, 2), Uint8Array.of(2, 1, 0)],
    [
      [0, 0, 0, 0],
      [255, 0, 0, 255],
      [0, 0, 255, 255],
    ],
  );
  const [head, data] = url.split(',') as [string, string];
  expect(head).toBe('data:image/png;base64');
  const chunks = chunksOf(Buffer.from(data, 'base64'));
  expect([...chunks.keys()]).toEqual(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND']);
  expect([...chunks.get('IHDR')!]).toEqual([0, 0, 0, 3, 0, 0, 0, 2, 8, 3, 0, 0, 0]);
  expect([...chunks.get('PLTE')!]).toEqual([0, 0, 0, 255, 0, 0, 0, 0, 255]);
  expect([...chunks.get('tRNS')!]).toEqual([0, 255, 255]);
  expect([...inflateSync(chunks.get('IDAT')!)]).toEqual([0, 0, 1, 2, 0, 2, 1, 0]);
});
