import { formatListenAddress, type ListenAddress } from '../../config/addresses.ts';
import { isHealthAnswer } from '../../../schemas/reports/health-answer.ts';
import { askPort, type PortAnswer } from '../ask-port.ts';
import { fine, wrong, type Check, type Outcome } from '../check.ts';
import { NotTold } from '../not-told.ts';
import { collectorPid } from './collector.ts';

export const metricsPort: Check = {
  part: 'node',
  name: 'metrics port',
  why: 'Prometheus gets the series of another program, or none; and a collector does not start while its port is taken',
  async look(facts) {
    const { metrics } = await facts.config();
    if (metrics.listen === undefined) return undefined;
    const where = formatListenAddress(metrics.listen);
    const isCollecting = (await collectorPid(facts)) !== undefined;
    const holder = await holderOf(metrics.listen, metrics.webConfigFile !== undefined);
    if (holder !== 'nobody') return outcomeOf(holder, where, metrics.listen.port, isCollecting);
    return isCollecting
      ? wrong(`the collector runs, and nothing listens on ${where}`, [
          'systemctl reload gpuledger',
          'what it says: journalctl -u gpuledger -n 20',
        ])
      : fine(`${where} is free`);
  },
};

type Answered = Exclude<PortAnswer, string>;
type Holder = 'nobody' | 'gpuledger' | 'gpuledger serve' | 'dcgm-exporter' | 'other';

function outcomeOf(
  holder: Exclude<Holder, 'nobody'>,
  where: string,
  port: number,
  isCollecting: boolean,
): Outcome {
  if (holder === 'gpuledger' && isCollecting) return fine(`gpuledger answers on ${where}`);
  const who = {
    gpuledger: 'a gpuledger that is not the collector, as gpuledger exporter,',
    'gpuledger serve': 'gpuledger serve',
    'dcgm-exporter': 'dcgm-exporter',
    other: 'another program',
  }[holder];
  return wrong(`${who} listens on ${where}`, [
    `who it is: ss -ltnp 'sport = :${port}'`,
    ...(holder === 'gpuledger' || holder === 'dcgm-exporter'
      ? ['systemctl disable --now nvidia-dcgm-exporter']
      : []),
    ...(holder === 'gpuledger serve' ? ['give it another port: serve.listen in the configuration'] : []),
    'or take another port: metrics.listen in the configuration',
  ]);
}

/** @throws NotTold where whoever listens wants to see a certificate first */
async function holderOf(listen: ListenAddress, mayBeClosed: boolean): Promise<Holder> {
  let isAnswered = false;
  for (const isTls of [false, true]) {
    const page = await askPort(listen, '/', { isTls });
    if (page === 'refused') return 'nobody';
    if (page === 'no answer') continue;
    if (await isServe(listen, isTls)) return 'gpuledger serve';
    if (isOurs(page)) return 'gpuledger';
    if (isUpstream(await askPort(listen, '/health', { isTls }))) return 'dcgm-exporter';
    // Without TLS it may have been told so in words.
    isAnswered = true;
  }
  if (isAnswered || !mayBeClosed) return 'other';
  throw new NotTold(
    `whoever listens on ${formatListenAddress(listen)} answers nobody without a certificate of a client`,
    { mend: [`who it is: ss -ltnp 'sport = :${listen.port}'`] },
  );
}

/** By its first page, or by how it asks for a password. */
function isOurs({ headers, text }: Answered): boolean {
  return (
    text.includes('<meta name="generator" content="gpuledger">') ||
    headers['www-authenticate']?.includes('realm="gpuledger"') === true
  );
}

/** Its pages and its realm may be as those of /metrics, which has no such path. */
async function isServe(listen: ListenAddress, isTls: boolean): Promise<boolean> {
  const health = await askPort(listen, '/healthz', { isTls });
  return typeof health === 'object' && isHealthAnswer(health.text);
}

/** Ours has that header, too, and is known by then. */
function isUpstream(health: PortAnswer): boolean {
  return typeof health === 'object' && health.headers['x-registry-available'] !== undefined;
}
