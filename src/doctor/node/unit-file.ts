import { linkOn, namesOn, textOn, type Machine } from '../machine.ts';

/** The service of systemd as its files say, the drop-ins of the site included. */
export interface Unit {
  /** Of the unit itself, without drop-ins. */
  readonly path: string;
  readonly isMasked: boolean;
  readonly text: string;
  /** The last value that is given of a key of `[Service]`; undefined where none is. */
  valueOf(key: string): string | undefined;
  /** All of a key that may be given more than once; an empty one takes back those before it. */
  valuesOf(key: string): readonly string[];
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
    const valuesOf = (key: string): readonly string[] => settings.get(key) ?? [];
    return { path, isMasked, text, valuesOf, valueOf: (key) => valuesOf(key).at(-1) };
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

/**
 * What the service has in its environment beside what systemd gives to all.
 * @throws NotTold where its file, which may hold a token, is not for this user
 */
export function serviceEnvironment(machine: Machine): Readonly<Record<string, string>> {
  const unit = readUnit(machine);
  // One line may assign several.
  const inline = unit?.valuesOf('Environment').flatMap((value) => value.match(WORDS) ?? []) ?? [];
  const files = unit?.valuesOf('EnvironmentFile').map((path) => path.replace(/^-/, '')) ?? [];
  const lines = files.flatMap((path) => (textOn(machine, path) ?? '').split('\n'));
  return Object.fromEntries([...inline, ...lines].flatMap(assigned));
}

/** Parted by spaces that are in no quotes. */
const WORDS = /(?:[^\s"']|"[^"]*"|'[^']*')+/g;

/** `QDB_CLIENT_CONF="http::addr=questdb:9000;"`, quoted or not; comments give nothing. */
function assigned(line: string): [name: string, value: string][] {
  const [, name, value = ''] = /^\s*["']?([A-Za-z_]\w*)=(.*?)\s*$/.exec(line) ?? [];
  return name === undefined ? [] : [[name, value.replace(/^(["'])(.*)\1$/, '$2').replace(/["']$/, '')]];
}

function settingsOf(texts: readonly string[]): Map<string, readonly string[]> {
  const settings = new Map<string, readonly string[]>();
  for (const text of texts) {
    let section = '';
    for (const line of text.replaceAll(/\\\n/g, ' ').split('\n')) {
      section = /^\s*\[(.*)\]\s*$/.exec(line)?.[1] ?? section;
      const [, key, value] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (section !== 'Service' || key === undefined || value === undefined) continue;
      settings.set(key, value === '' ? [] : [...(settings.get(key) ?? []), value]);
    }
  }
  return settings;
}

const LIMIT_SUFFIXES = ['', 'K', 'M', 'G', 'T'];

/** A limit of a unit, with the suffixes of 1024 that systemd knows; Infinity of none, undefined of what is no limit. */
export function limitFrom(value: string): number | undefined {
  if (value === 'infinity') return Infinity;
  const [, digits, suffix = ''] = /^(\d+)([KMGT]?)$/.exec(value) ?? [];
  return digits === undefined ? undefined : Number(digits) * 1024 ** LIMIT_SUFFIXES.indexOf(suffix);
}
