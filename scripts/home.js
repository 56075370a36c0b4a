/** What `npm start` keeps outside of the sources: the store of the demo, the QuestDB that was fetched, Maven's copy of it. */
import { existsSync } from 'fs';
import { homedir } from 'os';
import { dirname, join } from 'path';

import { requireFreeDisk } from './free-disk.js';

/** The demo's store and its server's working space; Maven and the jar. Measured, rounded up. */
const STATE_MB = 600;
const CACHE_MB = 100;

export function requireHome() {
  const { XDG_STATE_HOME: state, XDG_CACHE_HOME: cache, QDB_CLIENT_CONF: elsewhere } = process.env;
  if (elsewhere) return;
  const ways = (variable) => ({
    unwritable: `choose a place that is yours: ${variable}=DIR npm start`,
    full: `free some space there, or choose another place: ${variable}=DIR npm start`,
  });
  const stateHome = nearest(state || join(homedir(), '.local/state'));
  const cacheHome = nearest(cache || join(homedir(), '.cache'));
  requireFreeDisk(stateHome, STATE_MB, 'the demo and its store', ways('XDG_STATE_HOME'));
  requireFreeDisk(cacheHome, CACHE_MB, 'QuestDB and Maven', ways('XDG_CACHE_HOME'));
}

/** The directory, or the nearest one above it that is there: the others are made in it. */
function nearest(directory) {
  return existsSync(directory) || dirname(directory) === directory ? directory : nearest(dirname(directory));
}
