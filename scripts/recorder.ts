import { closeSync, openSync, statSync, writeFileSync } from 'node:fs';
import { RECORDING_VERSION, type RecordingHeader, type RecordingLine } from '../schemas/recording.ts';
import { messageOf, OperatingError } from '../src/core/base/errors.ts';
import type { TickWriter } from '../src/core/ring/ring.ts';
import type { EventSink, SampledLane, Source } from '../src/core/sampling/source.ts';

/** Writes what a source tells into a file that the source `recording` can replay. */
export interface Recorder {
  /** Puts the recorder between a source and its listener; give the result to the source when opening it. */
  listen(onEvent: EventSink): EventSink;
  /** The same source, recorded. Closing it closes the file too. */
  wrap(source: Source): Source;
}

/**
 * @param file is created; a recording is never overwritten
 * @throws OperatingError when the file exists or cannot be made
 */
export function openRecorder(file: string): Recorder {
  const out = createLineWriter(file);
  const early: RecordingLine[] = [];
  let sink: EventSink = () => undefined;
  let node = '';

  const write = (line: RecordingLine | RecordingHeader): void => {
    const failure = out.write(line);
    if (failure === undefined) return;
    // Sampling goes on: losing the recording must not lose the samples as well.
    const reason = `The recording stopped: ${failure}.`;
    sink({ tsUs: Date.now() * 1000, node, kind: 'drop', subject: 'recording', text: reason });
  };
  return {
    listen: (onEvent) => {
      sink = onEvent;
      return (event) => {
        // A source may tell something while it is being opened, before its devices are known.
        if (node === '') early.push({ event });
        else write({ event });
        onEvent(event);
      };
    },
    wrap: (source) => {
      node = source.devices[0]?.node ?? '-';
      // Serial numbers and the like are nobody's business in a recording, and replaying does without.
      const devices = source.devices.map(({ facts: _, ...device }) => device);
      write({ recording: { version: RECORDING_VERSION, source: source.name, devices } });
      for (const line of early.splice(0)) write(line);
      const recordTick = createTickRecorder(write);
      return {
        name: source.name,
        devices: source.devices,
        describe: () => `${source.describe?.() ?? source.name}, recorded to ${file}`,
        ...(source.callIntervalMs === undefined
          ? {}
          : { callIntervalMs: (lane: SampledLane): number => source.callIntervalMs!(lane) }),
        sample: (lane, tick, nowUs) => {
          recordTick(lane, tick, nowUs, (writer) => {
            source.sample(lane, writer, nowUs);
          });
        },
        ...(source.finish === undefined
          ? {}
          : {
              finish: (lane: SampledLane, tick: TickWriter): void => {
                recordTick(lane, tick, NaN, (writer) => {
                  source.finish!(lane, writer);
                });
              },
            }),
        close: () => {
          source.close();
          out.close();
        },
      };
    },
  };
}

type Row = [device: number, offsetUs: number, ...values: (number | null)[]];

/** Returns a function that lets `body` write a tick, and passes on to the file what it wrote. */
function createTickRecorder(
  write: (line: RecordingLine) => void,
): (lane: SampledLane, tick: TickWriter, nowUs: number, body: (writer: TickWriter) => void) => void {
  const knownLanes = new Set<number>();
  return (lane, tick, nowUs, body) => {
    if (!knownLanes.has(lane.index)) {
      knownLanes.add(lane.index);
      const { index, name, intervalMs } = lane;
      write({ lane: { index, name, intervalMs, fields: lane.fields.map(({ id }) => id) } });
    }
    const rows = new Map<number, Row>();
    const end = (): void => {
      if (rows.size === 0) return;
      const list = [...rows.values()];
      // Ticks that a source held back carry no time of a call, and are dated by their first row.
      const tsUs = Number.isNaN(nowUs) || nowUs < list[0]![1] ? list[0]![1] : nowUs;
      for (const row of list) row[1] -= tsUs;
      write({ tick: [lane.index, tsUs, list] });
      rows.clear();
    };
    body({
      setRow(device, tsUs) {
        rows.set(device, [device, tsUs, ...Array<null>(lane.fields.length).fill(null)]);
        tick.setRow(device, tsUs);
      },
      set(device, column, value) {
        const row = rows.get(device);
        if (row !== undefined && !Number.isNaN(value)) row[2 + column] = value;
        tick.set(device, column, value);
      },
      next() {
        end();
        return tick.next();
      },
    });
    end();
  };
}

interface LineWriter {
  /** @returns why it could not be written, once; afterwards nothing is written any more. */
  write(line: RecordingLine | RecordingHeader): string | undefined;
  close(): void;
}

function createLineWriter(file: string): LineWriter {
  let descriptor: number | undefined;
  try {
    // A pipe or a device may be there already; a file may not.
    const isSpecial = statSync(file, { throwIfNoEntry: false })?.isFile() === false;
    descriptor = openSync(file, isSpecial ? 'w' : 'wx');
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw new OperatingError(
      exists ? 'the recording exists already' : `cannot create the recording: ${messageOf(cause)}`,
      {
        code: exists ? 'recording.exists' : 'recording.create',
        exit: 'config',
        where: file,
        hints: exists
          ? ['name another file, or remove this one']
          : ['name a file in a directory that can be written'],
        cause,
      },
    );
  }
  return {
    write(line) {
      if (descriptor === undefined) return undefined;
      try {
        writeFileSync(descriptor, `${JSON.stringify(line)}\n`);
        return undefined;
      } catch (failure) {
        closeSync(descriptor);
        descriptor = undefined;
        return messageOf(failure);
      }
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}
