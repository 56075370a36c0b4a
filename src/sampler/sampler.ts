import { Worker } from 'node:worker_threads';
import { errorFrom } from '../core/base/carried-error.ts';
import { codeUrl } from '../core/base/code-url.ts';
import type { Device } from '../core/devices/device.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { GpuEvent } from '../core/sampling/event.ts';
import { Ring } from '../core/ring/ring.ts';
import type { SourceName } from '../core/sampling/source.ts';
import type { SourceSpec } from '../source/open-source.ts';
import { SamplerControl } from './sampler-control.ts';
import type {
  ClockOrder,
  EngineCallNews,
  EngineCallOrders,
  FailedNews,
  LaneOrder,
  ListNews,
  ListOrders,
  ListedSource,
  Listing,
  SamplerNews,
  SamplerOrders,
  SharedRing,
} from './sampler-protocol.ts';

/** The sampling worker as the main thread sees it. */
export interface Sampler {
  readonly source: SourceName;
  /** Library, engine and route, for people. */
  readonly description: string;
  readonly devices: readonly Device[];
  /** One ring per lane, in the order of the lanes; this thread is their consumer. */
  readonly rings: readonly Ring[];
  readonly control: SamplerControl;
  /**
   * From now on this one hears of events; what nobody heard is told to it first.
   * @param listener undefined: they are kept for the next one
   */
  readonly listen: (listener: SamplerListener | undefined) => void;
  /**
   * Sampling goes on into new rings from the next tick on.
   * @returns the same sampler with those; what came before is in the rings of this one, and nothing more comes into them
   * @throws OperatingError `source.silent` when the source sits in a call for that long; then nothing has changed
   */
  exchangeRings(lanes: readonly LaneOrder[], patienceMs: number): Promise<Sampler>;
  /** Settles when the worker has stopped ticking: told to, at the end of its clock, or (rejected) by a failure. */
  readonly ended: Promise<void>;
}

export interface SamplerListener {
  onEvent(event: GpuEvent): void;
  /** A lane was late by whole ticks. */
  onMissed(lane: string, ticks: number): void;
  /** The ring journal of a lane is no longer written. */
  onJournalFailed(lane: string, message: string): void;
}

interface StartOptions {
  /** Not before `control.begin()` comes the first tick. */
  readonly doesWait?: boolean;
}

type ReadyNews = Extract<SamplerNews, { type: 'ready' }>;

/**
 * How long a source may take to open. The driver of a node with many idle GPUs takes its time; a stopped host engine
 * would hold a connect for two minutes, whatever timeout it was given.
 */
const OPEN_PATIENCE_MS = 30_000;

/**
 * Starts the worker and waits until its source is open. It ticks from then on.
 * @throws OperatingError what the source said when it could not be opened; `source.silent` (exit 75) when it said
 * nothing. The worker then still sits in its call, and only the end of the process ends that.
 */
export async function startSampler(
  source: SourceSpec,
  lanes: readonly LaneOrder[],
  clock: ClockOrder,
  listener: SamplerListener | undefined,
  { doesWait = false }: StartOptions = {},
): Promise<Sampler> {
  const control = new SamplerControl();
  const orders: SamplerOrders = { source, lanes, clock, control: control.memory, doesWait };
  const worker = new Worker(codeUrl('./sampler-worker.ts', import.meta.url), { workerData: orders });
  const ready = Promise.withResolvers<ReadyNews>();
  const ended = Promise.withResolvers<undefined>();
  // Whoever opened the sampler hears of a failure through `ready` first; later ones through `ended`.
  ended.promise.catch(() => undefined);
  const mailbox = createMailbox(listener);
  let exchanged = Promise.withResolvers<readonly SharedRing[]>();
  const fail = (error: unknown): void => {
    ready.reject(error);
    ended.reject(error);
  };
  worker.on('message', (news: SamplerNews) => {
    switch (news.type) {
      case 'ready':
        ready.resolve(news);
        return;
      case 'exchanged':
        exchanged.resolve(news.rings);
        return;
      case 'event':
      case 'missed':
      case 'journal_failed':
        mailbox.post(news);
        return;
      case 'ended':
        ended.resolve(undefined);
        return;
      case 'failed':
        fail(errorFrom(news.error));
        return;
    }
  });
  worker.on('error', fail);
  worker.on('exit', () => {
    fail(
      new OperatingError('the sampling worker ended without telling why', {
        code: 'sampler.died',
        exit: 'software',
      }),
    );
  });
  const { source: name, description, devices, rings } = await withinPatience(ready.promise, source);
  const viewsOf = (shared: readonly SharedRing[]): Ring[] =>
    shared.map(({ shape, memory }) => new Ring(shape, memory));
  const sampler: Sampler = {
    source: name,
    description,
    devices,
    rings: viewsOf(rings),
    control,
    listen: mailbox.listen,
    async exchangeRings(next, patienceMs) {
      exchanged = Promise.withResolvers();
      const { reject } = exchanged;
      worker.postMessage(next);
      control.exchangeRings();
      const over = ended.promise.then(() => {
        throw new OperatingError('sampling has ended', { code: 'sampler.ended', exit: 'temporary' });
      });
      const timer = setTimeout(() => {
        // Taken back, unless the worker has begun with it just now and will say so at once.
        if (control.takeExchange()) reject(silent(source, patienceMs));
      }, patienceMs);
      try {
        return { ...sampler, rings: viewsOf(await Promise.race([exchanged.promise, over])) };
      } finally {
        clearTimeout(timer);
      }
    },
    ended: ended.promise,
  };
  return sampler;
}

type Told = Extract<SamplerNews, { type: 'event' | 'missed' | 'journal_failed' }>;

/** Stops ticking and waits until the source is closed, but not for longer than `patienceMs`. */
export async function stopSampler({ control, ended }: Sampler, patienceMs: number): Promise<void> {
  control.stop();
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, patienceMs).unref())]);
}

/** What the worker tells reaches whoever listens; while nobody does it is kept. */
function createMailbox(first: SamplerListener | undefined): {
  post(news: Told): void;
  readonly listen: (listener: SamplerListener | undefined) => void;
} {
  let listener = first;
  const kept: Told[] = [];
  const post = (news: Told): void => {
    if (listener === undefined) kept.push(news);
    else if (news.type === 'event') listener.onEvent(news.event);
    else if (news.type === 'missed') listener.onMissed(news.lane, news.ticks);
    else listener.onJournalFailed(news.lane, news.message);
  };
  return {
    post,
    listen(next) {
      listener = next;
      if (next !== undefined) for (const news of kept.splice(0)) post(news);
    },
  };
}

/**
 * Lists the devices of a source in a worker: a call that hangs must not hold the thread that tells of it.
 * @throws OperatingError as `startSampler`
 */
export async function listInWorker(source: ListedSource): Promise<Listing> {
  const orders: ListOrders = { list: source };
  const news = await answerOf<Exclude<ListNews, FailedNews>>(orders, source);
  return news.listing;
}

/**
 * Connects to a host engine for a single call.
 * @throws OperatingError when the engine is not there, refuses, or does not answer (75)
 */
export async function callEngineInWorker(engineCall: EngineCallOrders['engineCall']): Promise<void> {
  await answerOf<Exclude<EngineCallNews, FailedNews>>(
    { engineCall },
    { name: 'dcgm', engine: engineCall.engine },
  );
}

/** Starts a worker that does one thing, and waits for its answer. */
async function answerOf<News>(orders: ListOrders | EngineCallOrders, asked: AskedSource): Promise<News> {
  const worker = new Worker(codeUrl('./sampler-worker.ts', import.meta.url), { workerData: orders });
  const answered = Promise.withResolvers<News>();
  worker.on('message', (news: News | FailedNews) => {
    if (isFailure(news)) answered.reject(errorFrom(news.error));
    else answered.resolve(news);
  });
  worker.on('error', answered.reject);
  return await withinPatience(answered.promise, asked);
}

function isFailure(news: unknown): news is FailedNews {
  return (news as { readonly type: string }).type === 'failed';
}

interface AskedSource {
  readonly name: SourceName;
  readonly engine?: string;
}

async function withinPatience<T>(opening: Promise<T>, source: AskedSource): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(silent(source, OPEN_PATIENCE_MS));
  }, OPEN_PATIENCE_MS);
  try {
    return await Promise.race([opening, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function silent(source: AskedSource, patienceMs: number): OperatingError {
  const { engine } = source;
  return new OperatingError(`source ${source.name} has not answered for ${patienceMs / 1000} s`, {
    code: 'source.silent',
    exit: 'temporary',
    ...(engine === undefined ? {} : { where: engine }),
    hints: ['is the engine stopped, or does a GPU hang in the driver? See dmesg and nvidia-smi'],
  });
}
