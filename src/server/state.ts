/**
 * Which process serves a data directory, and where. Each start writes a file of its own, `DIR/run/IDENTITY/server.json`,
 * so two starts at a time cannot overwrite each other; QuestDB's own lock lets one of them live.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { questdbStateSchema, type QuestdbState } from '../../schemas/questdb-state.ts';
import { realDisk, replaceFile } from '../disk/disk.ts';
import { processStartTicks } from '../disk/process-identity.ts';

const STATE_FILE = 'server.json';

/** Where a server keeps what it needs while it lives: its state file, its temporary files, what it prints. */
export function runDirectory(dataDir: string, identity: string): string {
  return join(dataDir, 'run', identity);
}

export function writeState(dataDir: string, state: QuestdbState): void {
  const path = join(runDirectory(dataDir, state.identity), STATE_FILE);
  replaceFile(realDisk, path, Buffer.from(`${JSON.stringify(state, undefined, 2)}\n`));
}

/** The server of this data directory, if it is still the very process that its state file names; else undefined. */
export async function readLiveState(dataDir: string): Promise<QuestdbState | undefined> {
  for (const identity of await identitiesIn(dataDir)) {
    const state = await readState(dataDir, identity);
    if (state !== undefined && isAlive(state)) return state;
  }
  return undefined;
}

/** Removes what a server has kept in its run directory. */
export async function removeRun(dataDir: string, identity: string): Promise<void> {
  await rm(runDirectory(dataDir, identity), { recursive: true, force: true });
}

/** Removes the run directories of servers that were killed. */
export async function removeDeadRuns(dataDir: string): Promise<void> {
  for (const identity of await identitiesIn(dataDir)) {
    const state = await readState(dataDir, identity);
    // Without a state file it may be a start that has not come to write it.
    if (state !== undefined && !isAlive(state)) await removeRun(dataDir, identity);
  }
}

function isAlive(state: QuestdbState): boolean {
  return processStartTicks(state.pid) === state.processStartTicks;
}

async function identitiesIn(dataDir: string): Promise<string[]> {
  try {
    return await readdir(join(dataDir, 'run'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return []; // nothing was ever started here
    throw error;
  }
}

/** Undefined when there is no file, or one that we cannot have written: it names nobody whom we could trust. */
async function readState(dataDir: string, identity: string): Promise<QuestdbState | undefined> {
  try {
    const text = await readFile(join(runDirectory(dataDir, identity), STATE_FILE), 'utf8');
    return questdbStateSchema.safeParse(JSON.parse(text)).data;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof SyntaxError || code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
