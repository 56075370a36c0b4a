import { hostname } from 'node:os';
import { loadDcgm } from '../../../native/dcgm.ts';
import type { Dcgm, DcgmHandle, DcgmVersion } from '../../../native/dcgm.ts';
import { dcgmStatus } from '../../../native/dcgm-layout.ts';
import { dcgmError } from '../../../native/dcgm.ts';
import { parseDeviceSelector, selectDevices } from '../../core/devices/device-selector.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { EventSink, SampledLane, Source } from '../../core/sampling/source.ts';
import { planWatches } from '../../core/sampling/watch-plan.ts';
import { listDcgmDevices, listEngineDevices } from './devices.ts';
import type { DcgmDevice } from './devices.ts';
import { openEmbedded, startEmbeddedEngine } from './embedded.ts';
import { openEngine } from './engine.ts';
import type { EngineRoute } from './engine.ts';
import { openLink } from './link.ts';
import type { EngineLink } from './link.ts';
import { parseEngineAddress } from './engine-address.ts';
import type { EngineAddress } from './engine-address.ts';
import type { DcgmSetup } from './setup.ts';

export interface DcgmOptions {
  readonly node: string;
  readonly lanes: readonly SampledLane[];
  readonly onEvent: EventSink;
  /** File or directory of libdcgm; absent: the environment, the known directories, the loader. */
  readonly library?: string;
  /** `host[:port]`, `tcp://…`, `unix:///path`; absent or `embedded`: an engine embedded in this process. */
  readonly engine?: string;
  /** `f`, `g[:list]`, `i[:list]`, `g…+i…`; absent: `f`. */
  readonly devices?: string;
  /** How a host engine is read; absent or `auto`: by transport and flush interval. */
  readonly route?: EngineRoute | 'auto';
  readonly flushIntervalMs?: number;
  /** Of each lane: epoch µs of the newest row of each device, by UUID. What the engine kept since is fetched. */
  readonly resumeFromUs?: readonly ReadonlyMap<string, number>[];
  /** A look only: nothing of ours stays in a host engine, and no collector's watches are touched. */
  readonly isTransient?: boolean;
  /** Where requests for a pause of profiling lie. */
  readonly pauseDir?: string;
  /** Epoch µs now; given by tests that play a virtual clock. */
  readonly openedUs?: number;
}

/** A flush this rare makes one pull of everything cheaper than polling, where no reply can stall. */
const PULL_FROM_FLUSH_MS = 15_000;
/** How long the engine keeps our samples, at least: a collector that was restarted within finds them all. */
const KEEP_S_MIN = 120;
const KEEP_PULLS = 3;

/**
 * Opens the source `dcgm`. May block for some seconds.
 * @throws OperatingError exit 69 without the library or without GPUs, 75 when the engine is not there, 78 for a lane
 * below the 100 ms floor or a malformed address or selector.
 */
export function openDcgmSource(options: DcgmOptions): Source {
  planWatches(options.lanes);
  const selector = parseDeviceSelector(options.devices ?? 'f');
  const address = addressOf(options.engine);
  const dcgm = loadDcgm(options.library);
  const openedUs = options.openedUs ?? Date.now() * 1000;
  const engine = address && { address, link: connectOrThrow(dcgm, address, options, openedUs) };
  const embedded = engine === undefined ? startEmbeddedEngine(dcgm) : 0n;
  const all =
    engine === undefined
      ? listDcgmDevices(dcgm, embedded, options.node, 'the embedded engine')
      : listEngineDevices(dcgm, engine.address, options.node);
  const { selected, absent } = selectDevices(selector, all);
  for (const each of absent) {
    const text = `the device selector names ${each}, which this node does not have`;
    options.onEvent({ tsUs: openedUs, node: options.node, kind: 'unresolved', subject: each, text });
  }
  if (selected.length === 0) {
    throw new OperatingError(`no device of ${options.node} is selected by "${options.devices ?? 'f'}"`, {
      code: 'source.no_device',
      exit: 'unavailable',
      hints: ['see what there is: gpuledger devices', 'without a GPU: --source synthetic'],
    });
  }
  const setup: DcgmSetup = {
    dcgm,
    node: options.node,
    devices: selected,
    gpus: all.filter(({ device }) => device.parentUuid === undefined),
    lanes: options.lanes,
    onEvent: options.onEvent,
    pauseDir: options.pauseDir,
    openedUs,
  };
  if (engine === undefined) return openEmbedded(setup, embedded);
  const route = chooseRoute(options, engine.address);
  const pullIntervalMs = Math.max(options.flushIntervalMs ?? PULL_FROM_FLUSH_MS, 1_000);
  const slowestMs = Math.max(...options.lanes.map(({ intervalMs }) => intervalMs));
  return openEngine(setup, {
    ...engine,
    route,
    isRouteAsked: options.route === 'poll' || options.route === 'pull',
    pullIntervalMs,
    keepS: Math.max(KEEP_S_MIN, (KEEP_PULLS * pullIntervalMs) / 1000, (KEEP_PULLS * slowestMs) / 1000),
    resumeFromUs: options.resumeFromUs,
    // One name a machine: the watches of a collector that was restarted are found again, those of another are left alone.
    groupName: `gpuledger-${hostname().slice(0, 100)}${options.isTransient === true ? `-${process.pid}` : ''}`,
  });
}

function addressOf(engine: string | undefined): EngineAddress | undefined {
  return engine === undefined || engine === 'embedded' ? undefined : parseEngineAddress(engine);
}

/** @throws OperatingError (exit 75) */
function connectOrThrow(dcgm: Dcgm, address: EngineAddress, options: DcgmOptions, nowUs: number): EngineLink {
  let status: number = dcgmStatus.CONNECTION_NOT_VALID;
  const link = openLink({
    dcgm,
    address,
    // The engine is to go on sampling while the collector is restarted.
    isPersistent: options.isTransient !== true,
    node: options.node,
    onEvent: (event) => {
      status = event.code ?? status;
      options.onEvent(event);
    },
  });
  if (link.keepUp(nowUs)) return link;
  throw dcgmError('dcgmConnect', status, address.text);
}

function chooseRoute(options: DcgmOptions, address: EngineAddress): EngineRoute {
  if (options.route !== undefined && options.route !== 'auto') return options.route;
  return address.isUnixSocket && (options.flushIntervalMs ?? 0) >= PULL_FROM_FLUSH_MS ? 'pull' : 'poll';
}

/** Lists the devices of an engine and lets go of it. Nothing is watched afterwards. */
export function listDevices(options: {
  readonly node: string;
  readonly library?: string;
  readonly engine?: string;
}): {
  readonly devices: readonly DcgmDevice[];
  readonly about: string;
  readonly versions: { readonly library: DcgmVersion; readonly engine: DcgmVersion | undefined };
} {
  const address = addressOf(options.engine);
  const dcgm = loadDcgm(options.library);
  let handle: DcgmHandle;
  if (address === undefined) handle = startEmbeddedEngine(dcgm);
  else {
    const opened = dcgm.connect(address, { timeoutMs: 5_000, isPersistent: false });
    if (opened.status !== dcgmStatus.OK) throw dcgmError('dcgmConnect', opened.status, address.text);
    handle = opened.handle;
  }
  try {
    const devices = listDcgmDevices(dcgm, handle, options.node, address?.text ?? 'the embedded engine');
    const engine = dcgm.engineVersion(handle);
    const { text } = engine ?? dcgm.version;
    const about = `DCGM ${text} ${address === undefined ? 'embedded' : `at ${address.text}`}`;
    return { devices, about, versions: { library: dcgm.version, engine } };
  } finally {
    if (address === undefined) dcgm.stopEmbedded(handle);
    else dcgm.disconnect(handle);
    dcgm.shutdown();
    dcgm.since.close();
  }
}

/** Connects to a host engine for a single call. @throws OperatingError when the engine is not there or refuses. */
export function callEngineOnce(
  engine: string,
  library: string | undefined,
  call: 'profPause' | 'profResume',
): void {
  const address = parseEngineAddress(engine);
  const dcgm = loadDcgm(library);
  const opened = dcgm.connect(address, { timeoutMs: 5_000, isPersistent: false });
  if (opened.status !== dcgmStatus.OK) throw dcgmError('dcgmConnect', opened.status, address.text);
  const status = dcgm.call[call](opened.handle);
  dcgm.disconnect(opened.handle);
  dcgm.shutdown();
  dcgm.since.close();
  // What cannot pause is not paused.
  if (call === 'profResume' && status === dcgmStatus.NOT_SUPPORTED) return;
  if (status !== dcgmStatus.OK)
    throw dcgmError(call === 'profPause' ? 'dcgmProfPause' : 'dcgmProfResume', status, address.text);
}
