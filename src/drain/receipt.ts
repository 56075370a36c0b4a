import { EMPTY_LEDGER, moveRows, sampleRows, type Ledger } from '../core/base/ledger.ts';
import { refusedRowsOf } from '../core/wire/sink.ts';
import type { EngineStore, SamplePortion } from './engine.ts';
import type { EngineReport } from './report.ts';
import { carried, type CarriedError } from '../core/base/carried-error.ts';
import { sendFrame } from './frames.ts';
import type { FromChild, ToChild } from './frames.ts';
import type { Slot } from './slot.ts';

type Handed = Extract<FromChild, { kind: 'ask' | 'samples' | 'before' | 'after' }>;
type Done = Extract<FromChild, { kind: 'done' }>;

type StoredEngine =
  | { readonly kind: 'drained'; readonly report: EngineReport }
  | { readonly kind: 'failed'; readonly error: CarriedError };

/** Takes what the process of an engine hands over, and stores it in that order. */
export interface Receipt {
  accept(message: Handed): void;
  /** @returns what came of it when everything is stored, or the first that was not. Never rejects. */
  finish(done: Done): Promise<StoredEngine>;
}

/** Everything of one slot is stored one after the other, that of its last engine before that of the next. */
export function receiveEngine(slot: Slot, store: EngineStore): Receipt {
  /** By lane, as far as samples have come. */
  const ledgers = new Map<string, Ledger>();
  let failure: CarriedError | undefined;

  const reply = (message: ToChild): void => {
    if (!slot.socket.destroyed) sendFrame(slot.socket, message);
  };
  const answer = async (work: () => Promise<ToChild>): Promise<void> => {
    slot.owed += 1;
    const message = await work();
    slot.owed -= 1;
    slot.heardMs = performance.now();
    reply(message);
  };
  /** After a failure nothing more of the engine is stored: the next drain begins where this one ended. */
  const inOrder = (work: () => Promise<void>): Promise<void> => {
    slot.stored = slot.stored.then(async () => {
      if (failure !== undefined) return;
      try {
        await work();
      } catch (thrown) {
        failure = carried(thrown);
      }
    });
    return slot.stored;
  };
  const writeSamples = async (portion: SamplePortion): Promise<void> => {
    const fate = await store.writeSamples(portion);
    let ledger = sampleRows(ledgers.get(portion.lane) ?? EMPTY_LEDGER, portion.rows);
    ledger = moveRows(ledger, 'held', 'acknowledged', fate.acknowledgedRows);
    ledger = moveRows(ledger, 'held', 'refused', refusedRowsOf(fate));
    ledgers.set(portion.lane, ledger);
  };

  return {
    accept(message) {
      switch (message.kind) {
        case 'ask':
          void answer(async () => {
            try {
              return { kind: 'plan', ...(await store.plan(message.gpus)) };
            } catch (thrown) {
              return { kind: 'refused', error: carried(thrown) };
            }
          });
          return;
        case 'samples':
          void answer(async () => {
            await inOrder(() => writeSamples(message));
            return { kind: 'taken' };
          });
          return;
        case 'before':
          void inOrder(() => store.writeBefore(message.rows));
          return;
        case 'after':
          void inOrder(() => store.writeAfter(message.rows, ledgers));
      }
    },
    async finish({ report, wantsToKnow }) {
      await slot.stored;
      if (wantsToKnow) reply({ kind: 'finished', isStored: failure === undefined });
      if (failure !== undefined) return { kind: 'failed', error: failure };
      const lanes = report.lanes.map((lane) => {
        const ledger = ledgers.get(lane.lane);
        // A dry run hands no samples over: it reports what there is.
        if (ledger === undefined) return lane;
        return { ...lane, rows: ledger.acknowledgedRows, refusedRows: ledger.refusedRows };
      });
      return { kind: 'drained', report: { ...report, lanes } };
    },
  };
}
