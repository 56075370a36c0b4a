import { linkOn, namesOn, textOn, type Machine } from '../machine.ts';

/** The service of systemd as its files say, the drop-ins of the site included. */
export interface Unit {
  /** Of the unit itself, without drop-ins. */
  readonly path: string;
  readonly isMasked: boolean;
  readonly text: string;
  /** The last value that is given of a key of `[Service]`; undefined where none is. */
  valueOf(key: string): string | undefined;
}

export const UNIT = 'gpuledger.service';
const PACKAGED = ['/usr/lib/systemd/system', '/lib/systemd/system'];
/** As systemd looks: the site's own go first. */
const UNIT_DIRECTORIES = ['/etc/systemd/system', '/run/systemd/system', ...PACKAGED];

/** @returns undefined where there is no such service */
export function readUnit(machine: Machine): Unit | undefined {
  for (const directory of UNIT_DIRECTORIES) {
    const path = `${directory}/${UNIT}`;
    const isMasked = linkOn(machine, path) === '/dev/null';
    const text = isMasked ? '' : textOn(machine, path);
    if (text === undefined) continue;
    const settings = settingsOf([text, ...dropIns(machine)]);
    return { path, isMasked, text, valueOf: (key) => settings.get(key) };
  }
  return undefined;
}

/** One name counts once, from the directory that goes first; they are read in the order of their names. */
function dropIns(machine: Machine): string[] {
  const paths = new Map<string, string>();
  for (const directory of UNIT_DIRECTORIES) {
    const inside = `${directory}/${UNIT}.d`;
    for (const name of namesOn(machine, inside))
      if (name.endsWith('.conf') && !paths.has(name)) paths.set(name, `${inside}/${name}`);
  }
  return [...paths].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, path]) => textOn(machine, path) ?? []);
}

function settingsOf(texts: readonly string[]): Map<string, string> {
  const settings = new Map<string, string>();
  for (const text of texts) {
    let section = '';
    for (const line of text.replaceAll(/\\\n/g, ' ').split('\n')) {
      section = /^\s*\[(.*)\]\s*$/.exec(line)?.[1] ?? section;
      const [, key, value] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (section === 'Service' && key !== undefined && value !== undefined) settings.set(key, value);
    }
  }
  return settings;
}
