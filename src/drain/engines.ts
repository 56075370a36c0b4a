import { isIP } from 'node:net';
import { OperatingError } from '../core/base/errors.ts';
import { parseEngineAddress } from '../source/dcgm/engine-address.ts';

export interface EngineTask {
  /** As the user wrote it: `host:5555`, `unix:///path`. */
  readonly engine: string;
  /** Name of its node in every row. */
  readonly node: string;
}

const NODE_NAME = /^([\w.-]+)=(.+)$/;

/**
 * `[NODE=]ADDRESS`: which engine to ask, and the name of its node in every row. Without a name: this node for a socket
 * or a loopback address, else the host name up to its first dot.
 * @throws OperatingError (exit 78) when the address is malformed.
 */
export function parseEngineTask(text: string, localNode: string): EngineTask {
  const match = NODE_NAME.exec(text);
  const named = match?.[1];
  const engine = match?.[2] ?? text;
  const { isUnixSocket, address: endpoint } = parseEngineAddress(engine);
  if (named !== undefined) return { engine, node: named };
  const host = endpoint.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  const isLocal = isUnixSocket || host === 'localhost' || host === '::1' || host.startsWith('127.');
  if (isLocal) return { engine, node: localNode };
  return { engine, node: isIP(host) === 0 ? host.split('.')[0]! : host };
}

/**
 * One engine a line; `#` begins a comment.
 * @throws OperatingError (exit 78) naming the line, also when there is none.
 */
export function parseEngineList(text: string, where: string, localNode: string): EngineTask[] {
  const tasks = text.split(/\r?\n/).flatMap((line, index) => {
    const entry = line.replace(/#.*/, '').trim();
    if (entry === '') return [];
    try {
      return [parseEngineTask(entry, localNode)];
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      const { message, code, exit, hints } = thrown;
      throw new OperatingError(message, {
        code,
        exit,
        hints,
        where: `${where}, line ${index + 1}`,
        cause: thrown,
      });
    }
  });
  if (tasks.length > 0) return tasks;
  throw new OperatingError('the list of engines is empty', {
    code: 'drain.no_engines',
    exit: 'config',
    where,
    hints: ['one engine a line: [NODE=]host[:port] or [NODE=]unix:///path'],
  });
}

/** An engine that is named twice is asked once. @throws OperatingError (exit 78) when it bears two node names. */
export function withoutRepeats(tasks: readonly EngineTask[]): EngineTask[] {
  const byEngine = new Map<string, EngineTask>();
  for (const task of tasks) {
    const known = byEngine.get(task.engine);
    if (known !== undefined && known.node !== task.node) {
      throw new OperatingError(
        `engine ${task.engine} is given for two nodes: ${known.node} and ${task.node}`,
        {
          code: 'drain.two_nodes',
          exit: 'config',
        },
      );
    }
    byEngine.set(task.engine, task);
  }
  return [...byEngine.values()];
}
