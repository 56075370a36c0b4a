import { readFile } from 'node:fs/promises';

/** The version of gpuledger, from the nearest package.json above: it lies one folder higher beside sources than beside dist. */
export async function readVersion(): Promise<string> {
  for (const relative of ['../package.json', '../../package.json']) {
    try {
      const text = await readFile(new URL(relative, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
    }
  }
  return '?';
}
