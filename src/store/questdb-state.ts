/** The state file in a data directory: which process serves it, and where. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { questdbStateSchema, type QuestdbState } from '../../schemas/questdb-state.ts';
import { processStartTicks } from './process-identity.ts';

export function statePath(dataDir: string): string {
  return join(dataDir, 'gpuledger-questdb.json');
}

export async function writeState(dataDir: string, state: QuestdbState): Promise<void> {
  const path = statePath(dataDir);
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(state, undefined, 2)}\n`);
  await rename(temporary, path);
}

/** The server of this data directory, if it is still the very process that the state file names; else undefined. */
export async function readLiveState(dataDir: string): Promise<QuestdbState | undefined> {
  let text: string;
  try {
    text = await readFile(statePath(dataDir), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = questdbStateSchema.safeParse(parseJson(text));
  // A file that we cannot read was left by a crash or another version. It can name nobody, so it is not trusted.
  if (!parsed.success) return undefined;
  return processStartTicks(parsed.data.pid) === parsed.data.processStartTicks ? parsed.data : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // half a file: the caller treats it as absent
  }
}

/** Removes the state file, unless it has come to name another process than `pid`. */
export async function removeState(dataDir: string, pid: number): Promise<void> {
  const live = await readLiveState(dataDir);
  if (live === undefined || live.pid === pid) await rm(statePath(dataDir), { force: true });
}
