import type { Check, Part } from './check.ts';
import { configurationOf } from './configuration.ts';
import { clock } from './node/clock.ts';
import { collector } from './node/collector.ts';
import { hook, slurmConf, slurmUser } from './node/hooks.ts';
import { installation, service } from './node/installation.ts';
import { journal } from './node/journal.ts';
import { driver, engine, libdcgm } from './node/libraries.ts';
import { openFiles, realTime } from './node/limits.ts';
import { metricsPort } from './node/metrics-port.ts';
import { pauseRequests } from './node/pause-requests.ts';
import { devices, otherEngines, profiling, sampling } from './node/sampling.ts';
import { spool, stateDirectory } from './node/state.ts';
import { chain } from './proof/prove.ts';
import { clientConf, mayNotWrite, mayRead, readersStore } from './reader/reader.ts';
import { autoCreation, keptTime, reachable, schema } from './store/schema.ts';
import { connections, disk, nodes } from './store/server.ts';
import { rollups, suspended } from './store/tables.ts';
import { timeLane } from './store/time-lane.ts';
import { webServer } from './store/web-server.ts';

const NODE = [
  ...[configurationOf('node'), installation, service, collector, metricsPort, stateDirectory, spool],
  ...[driver, libdcgm, engine, otherEngines, devices, sampling, profiling, pauseRequests],
  ...[clock, openFiles, realTime, journal, hook, slurmConf, slurmUser],
];
const STORE = [
  ...[configurationOf('store'), reachable, schema, suspended, rollups, keptTime, autoCreation],
  ...[connections, disk, nodes, timeLane, webServer],
];
const READER = [clientConf, readersStore, mayRead, mayNotWrite];

/** In the order in which they are told. A configuration that two parts share is looked at once. */
export function checksOf(parts: readonly Part[]): Check[] {
  const isNode = parts.includes('node');
  return [
    ...(isNode ? NODE : []),
    ...(parts.includes('store') ? STORE.slice(isNode ? 1 : 0) : []),
    // Behind the store that it goes through.
    ...(isNode ? [chain] : []),
    ...(parts.includes('reader') ? READER : []),
  ];
}
