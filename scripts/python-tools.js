/** Brings build/python-tools level with scripts/python-tools.txt: checkers and readers that no npm package offers. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'fs';
import { join } from 'path';

import { announce, ROOT, run } from './step.js';

const LIST = 'scripts/python-tools.txt';
const DIRECTORY = 'build/python-tools';

export function installPythonToolsIfStale() {
  const wanted = readFileSync(join(ROOT, LIST), 'utf8');
  const directory = join(ROOT, DIRECTORY);
  const stamp = join(directory, '.installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  announce('installing the Python programs of the tests (pip: about 40 s, 150 MB)');
  rmSync(directory, { recursive: true, force: true });
  run('python3', ['-m', 'venv', directory]);
  const pip = join(directory, 'bin/pip');
  run(pip, ['install', '--quiet', '--disable-pip-version-check', '--requirement', join(ROOT, LIST)]);
  writeFileSync(stamp, wanted);
}
