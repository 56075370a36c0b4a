import { join } from 'node:path';
import * as z from 'zod';
import { fileReasonOf } from '../core/base/file-fault.ts';
import { onDisk } from './disk-error.ts';
import { replaceFile, type Disk } from './disk.ts';

const timeUs = z.number().min(0).max(8.64e18);

/** A job that idles, from when it was first told of until it works again or ends. */
const episode = z.strictObject({
  cluster: z.string().exactOptional(),
  jobId: z.string(),
  run: z.number(),
  /** Since when it idles; epoch µs. */
  sinceUs: timeUs,
  /** Up to where its samples went when it was told of the last time; epoch µs. */
  toldUs: timeUs,
  /** Messages after the first one. */
  reminders: z.number().min(0),
  /** Ways to tell that have not taken the last message yet. */
  pending: z.array(z.enum(['webhook', 'command'])),
  /** Who looks after it: `run` for jobs of its own devices, or the command for all. */
  by: z.enum(['run', 'command']),
});

const file = z.strictObject({ version: z.literal(1), episodes: z.array(episode) });

export type Episode = Readonly<z.infer<typeof episode>>;

/** An episode has some 200 bytes. */
const FILE_BYTES_MAX = 16 * 1024 * 1024;

export function episodesPath(directory: string): string {
  return join(directory, 'episodes.json');
}

/** What was saved; none where nothing was, or with the reason why it cannot be read. */
export interface SavedEpisodes {
  readonly episodes: readonly Episode[];
  readonly damage: string | undefined;
}

export function readEpisodes(disk: Disk, path: string): SavedEpisodes {
  const damaged = (damage: string): SavedEpisodes => ({ episodes: [], damage });
  let bytes: Buffer | undefined;
  try {
    if ((disk.size(path) ?? 0) > FILE_BYTES_MAX)
      return damaged(`it has more than ${FILE_BYTES_MAX / 2 ** 20} MiB`);
    bytes = disk.read(path);
  } catch (thrown) {
    return damaged(fileReasonOf(thrown));
  }
  if (bytes === undefined) return { episodes: [], damage: undefined };
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return damaged('it is no JSON');
  }
  const parsed = file.safeParse(json);
  if (parsed.success) return { episodes: parsed.data.episodes, damage: undefined };
  const { path: at, message } = parsed.error.issues[0]!;
  return damaged(`${at.join('.')}: ${message}`);
}

/** @throws OperatingError `state.disk` */
export function writeEpisodes(disk: Disk, path: string, episodes: readonly Episode[]): void {
  onDisk('the state of the idle watch', path, () => {
    replaceFile(disk, path, Buffer.from(`${JSON.stringify({ version: 1, episodes })}\n`));
  });
}
