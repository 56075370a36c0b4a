/** The state file in a data directory: which process serves it, and where. */
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { questdbStateSchema, type QuestdbState } from '../../schemas/questdb-state.ts';
import { processStartTicks } from './process-identity.ts';

export function statePath(dataDir: string): string {
  return join(dataDir, 'gpuledger-questdb.json');
}

/**
 * Puts the state file in place unless a live server has one there.
 * @returns false when another server came first.
 */
export async function claimState(dataDir: string, state: QuestdbState): Promise<boolean> {
  if ((await readLiveState(dataDir)) !== undefined) return false;
  const path = statePath(dataDir);
  const written = `${path}.${state.pid}`;
  await writeFile(written, `${JSON.stringify(state, undefined, 2)}\n`);
  await rm(path, { force: true });
  try {
    // Unlike a rename, a link fails when the name is there: of two starts at a time one gets it.
    await link(written, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(written, { force: true });
  }
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
  // A file that we cannot read was left by a crash or by another version of ours. It names nobody whom we could trust.
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

/** Removes the state file, unless it has come to name a live process other than `pid`. */
export async function removeState(dataDir: string, pid: number): Promise<void> {
  const live = await readLiveState(dataDir);
  if (live === undefined || live.pid === pid) await rm(statePath(dataDir), { force: true });
}
