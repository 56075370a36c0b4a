/** How the embedded QuestDB server is set up: its command line, its environment, its two configuration files. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { QuestdbPorts } from '../../schemas/questdb-state.ts';
import type { Java } from './java.ts';
import { LOOPBACK } from './loopback-ports.ts';

const THREAD_POOLS = ['shared', 'wal.apply', 'mat.view.refresh', 'view.compiler', 'export', 'http.min'];

/** In turns of a thread's loop that found nothing to do: after 20 it sleeps for 1 ms at a time, after 500 for 10 ms. */
function idleThreads(): string {
  return THREAD_POOLS.flatMap((pool) => [
    `${pool}.worker.nap.threshold=20`,
    `${pool}.worker.sleep.threshold=500`,
  ]).join('\n');
}

/** Written once into DIR/conf/server.conf; from then on the file belongs to the operator. */
const SERVER_CONF = `# Written by gpuledger when it first started QuestDB here; change what you like, it is not written again.
# The listening addresses are given by gpuledger at each start and cannot be set here.
# All keys: https://questdb.com/docs/configuration/

# Nothing is reported to anyone.
telemetry.enabled=false

# gpuledger writes over HTTP only, and creates its tables itself: a misspelt column is an error, not a new column.
line.tcp.enabled=false
line.auto.create.new.tables=false
line.auto.create.new.columns=false

# A small server: two threads for each of network, queries and writing, one for applying what was written, one for the
# rollups: with more of them it does the same work in smaller pieces.
shared.worker.count=2
wal.apply.worker.count=1
mat.view.refresh.worker.count=1
http.min.worker.count=1

# Threads without work soon sleep. By default each calls sched_yield() 7,000 times first, on a node whose cores have jobs to do.
${idleThreads()}

# Pages that columns grow by. The defaults (16 MB a column) are meant for a few busy tables; ours have 40 columns each.
cairo.writer.data.append.page.size=1M
cairo.wal.writer.data.append.page.size=256K
cairo.o3.column.memory.size=256K

# A table or rollup that nobody writes or reads keeps hundreds of files open for ten minutes by default; one lane has a dozen.
# Milliseconds.
cairo.inactive.writer.ttl=20000
cairo.inactive.reader.ttl=20000
cairo.wal.inactive.writer.ttl=20000
cairo.idle.check.interval=5000
`;

const LOG_CONF = `# Written by gpuledger when it first started QuestDB here; change what you like, it is not written again.
writers=file,stdout
w.file.class=io.questdb.log.LogRollingFileWriter
w.file.location=\${log.dir}/questdb.log.\${date:yyyyMMdd}
w.file.level=ERROR,CRITICAL,ADVISORY
w.file.rollEvery=day
w.file.rollSize=64m
w.file.lifeDuration=7d
w.file.sizeLimit=256m
w.stdout.class=io.questdb.log.LogConsoleWriter
w.stdout.level=ERROR,CRITICAL,ADVISORY
`;

/** Writes the configuration files that are not there yet. DIR/conf must exist. */
export async function writeSettings(dataDir: string): Promise<void> {
  const files = { 'server.conf': SERVER_CONF, 'log.conf': LOG_CONF };
  for (const [name, content] of Object.entries(files)) {
    const path = join(dataDir, 'conf', name);
    if (!existsSync(path)) await writeFile(path, content);
  }
}

/** What differs from start to start goes through the environment, which wins over server.conf. */
export function serverEnvironment(ports: QuestdbPorts, identity: string): Record<string, string> {
  return {
    QDB_HTTP_BIND_TO: `${LOOPBACK}:${ports.http}`,
    QDB_HTTP_NET_BIND_TO: `${LOOPBACK}:${ports.http}`,
    QDB_HTTP_MIN_NET_BIND_TO: `${LOOPBACK}:${ports.min}`,
    QDB_PG_NET_BIND_TO: `${LOOPBACK}:${ports.pg}`,
    // Compiling many conditions can end the server of 9.3.4 (SIGSEGV): docs/decisions.md. Servers that were set up before have it, too.
    QDB_CAIRO_SQL_JIT_MODE: 'off',
    // Answered in a header of /ping: so we know that it is our child that listens there, and not someone else's.
    QDB_LINE_HTTP_PING_VERSION: identity,
  };
}

/** The arguments of `java`, for versions 17 to 25. */
export function javaArguments(java: Java, jarPath: string, dataDir: string, temporaryDir: string): string[] {
  return [
    // The heap is small in use, the server's data are mapped; one collector thread is enough for it.
    '-Xms32m',
    '-Xmx512m',
    '-XX:+UseSerialGC',
    '-XX:+ExitOnOutOfMemoryError',
    '-XX:-UsePerfData', // would leave a file in /tmp
    `-XX:ErrorFile=${join(dataDir, 'log/java-crash-%p.log')}`,
    // The server unpacks 9 MB of native libraries there, which a killed server leaves behind.
    `-Djava.io.tmpdir=${temporaryDir}`,
    ...(java.major >= 24
      ? ['--enable-native-access=io.questdb', '--sun-misc-unsafe-memory-access=allow']
      : []),
    '-p',
    jarPath,
    '-m',
    'io.questdb/io.questdb.ServerMain',
    '-d',
    dataDir,
    '-n', // leaves SIGHUP alone
  ];
}
