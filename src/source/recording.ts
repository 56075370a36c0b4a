import type { RecordedLane, RecordedTick } from '../../schemas/recording.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { TickWriter } from '../core/ring/ring.ts';
import type { EventSink, SampledLane, Source } from '../core/sampling/source.ts';
import { openRecordingLines, type RecordingLines } from './recording-lines.ts';

/** A recorded lane with the ticks of it that were read and not yet replayed. */
interface Track {
  readonly lane: RecordedLane;
  readonly ticks: RecordedTick[];
  isSampled: boolean;
}

/** Which track feeds a lane, and where in its rows the lane's fields lie (-1: not recorded). */
interface Feed {
  readonly track: Track;
  readonly positions: readonly number[];
}

/**
 * Replays a recording: the first `sample` is the time of its first tick, and from there on every tick comes when as much
 * time has passed as had then, with its own distances kept. On a virtual clock that begins at the recorded time, the
 * stamps are those of the recording. After its last tick no device answers any more.
 * @throws OperatingError when the file cannot be read or is no recording
 */
export function openRecording(file: string, onEvent: EventSink): Source {
  const firstUs = firstTickUs(file);
  const lines = openRecordingLines(file);
  const player = createPlayer(file, firstUs, lines, onEvent);
  const feeds = new Map<number, Feed>();
  const { devices, source } = lines.header;

  const feedOf = (lane: SampledLane): Feed | undefined => {
    const known = feeds.get(lane.index);
    if (known !== undefined) return known;
    const track = player.trackFor(lane);
    if (track === undefined) return undefined;
    track.isSampled = true;
    const feed = { track, positions: lane.fields.map(({ id }) => track.lane.fields.indexOf(id)) };
    feeds.set(lane.index, feed);
    return feed;
  };
  return {
    name: 'recording',
    devices,
    describe: () => `recording of ${source}, ${file}`,
    sample(lane: SampledLane, tick: TickWriter, nowUs: number): void {
      player.advance(nowUs);
      const feed = feedOf(lane);
      if (feed === undefined) return;
      const dueUs = nowUs - player.shiftUs;
      let isFirst = true;
      for (
        let next = feed.track.ticks[0];
        next !== undefined && next[1] <= dueUs;
        next = feed.track.ticks[0]
      ) {
        if (!isFirst && !tick.next()) return;
        isFirst = false;
        feed.track.ticks.shift();
        replay(next, feed.positions, devices.length, player.shiftUs, tick);
      }
    },
    close(): void {
      lines.close();
    },
  };
}

function replay(
  [, tickUs, rows]: RecordedTick,
  positions: readonly number[],
  deviceCount: number,
  shiftUs: number,
  tick: TickWriter,
): void {
  for (const [device, offsetUs, ...values] of rows) {
    if (device >= deviceCount) continue;
    tick.setRow(device, tickUs + offsetUs + shiftUs);
    for (const [column, position] of positions.entries()) {
      tick.set(device, column, position < 0 ? NaN : (values[position] ?? NaN));
    }
  }
}

interface Player {
  /** Real time less recorded time, µs; known after the first `advance`. */
  readonly shiftUs: number;
  /** Reads all that had happened by the recorded time that `nowUs` means. */
  advance(nowUs: number): void;
  trackFor(lane: SampledLane): Track | undefined;
}

function createPlayer(file: string, firstUs: number, lines: RecordingLines, onEvent: EventSink): Player {
  const tracks = new Map<number, Track>();
  let held: RecordedTick | undefined;
  let isOver = false;
  let shiftUs = NaN;

  /** Reads on to the next tick; what lies before it has happened by then. */
  const readTick = (): void => {
    held = undefined;
    while (!isOver && held === undefined) {
      const line = lines.next();
      if (line === undefined) isOver = true;
      else if ('lane' in line) tracks.set(line.lane.index, { lane: line.lane, ticks: [], isSampled: false });
      else if ('tick' in line) held = line.tick;
      else {
        const { event } = line;
        const endUs = event.endUs === undefined ? {} : { endUs: event.endUs + shiftUs };
        onEvent({ ...event, tsUs: event.tsUs + shiftUs, ...endUs });
      }
    }
  };
  const tellEnd = (nowUs: number): void => {
    const { node } = lines.header.devices[0]!;
    const text = 'The recording has ended.';
    onEvent({ tsUs: nowUs, node, kind: 'engine_lost', subject: 'recording', text });
  };
  return {
    get shiftUs() {
      return shiftUs;
    },
    advance(nowUs) {
      if (Number.isNaN(shiftUs)) {
        // Events before the first tick wait for it too: without it nobody knows how far to shift them.
        shiftUs = nowUs - firstUs;
        readTick();
      }
      while (held !== undefined && held[1] <= nowUs - shiftUs) {
        const track = tracks.get(held[0]);
        if (track === undefined) throw unknownLane(file, held[0]);
        track.ticks.push(held);
        // This lane may never be sampled, so only its newest tick is kept: memory stays bounded.
        if (!track.isSampled && track.ticks.length > 1) track.ticks.shift();
        readTick();
        if (isOver) tellEnd(nowUs);
      }
    },
    trackFor(lane) {
      const all = [...tracks.values()];
      const common = (track: Track): number =>
        lane.fields.filter(({ id }) => track.lane.fields.includes(id)).length;
      const sameName = all.find((track) => track.lane.name === lane.name);
      return sameName ?? all.filter((track) => common(track) > 0).sort((a, b) => common(b) - common(a))[0];
    },
  };
}

function firstTickUs(file: string): number {
  const lines = openRecordingLines(file);
  try {
    for (let line = lines.next(); line !== undefined; line = lines.next())
      if ('tick' in line) return line.tick[1];
  } finally {
    lines.close();
  }
  throw new OperatingError('the recording holds no tick', {
    code: 'recording.empty',
    exit: 'data',
    where: file,
  });
}

function unknownLane(file: string, index: number): OperatingError {
  return new OperatingError(`recording: expected a lane line before the ticks of lane ${index}, came none`, {
    code: 'recording.malformed',
    exit: 'data',
    where: file,
    hints: ['the format is described in docs/recording.md'],
  });
}
