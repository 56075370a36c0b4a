import { OperatingError } from '../../core/base/errors.ts';

/** `host[:port]`, `tcp://…` or `unix:///path`, as `-r` takes it. */
export interface EngineAddress {
  /** `host[:port]`, `[v6]:port`, or the bare path of a unix socket. */
  readonly address: string;
  readonly isUnixSocket: boolean;
  /** As the user wrote it. */
  readonly text: string;
}

const PORT_MAX = 65_535;

/** @throws OperatingError (exit 78) when the text is neither. */
export function parseEngineAddress(text: string): EngineAddress {
  if (text.startsWith('unix://')) {
    const address = text.slice('unix://'.length);
    if (address.startsWith('/')) return { text, address, isUnixSocket: true };
  } else {
    const address = text.replace(/^tcp:\/\//, '');
    const match = /^(?:\[[0-9a-fA-F:]+\]|[\w.-]+)(?::(\d{1,5}))?$/.exec(address);
    const port = Number(match?.[1] ?? 1);
    if (match !== null && port >= 1 && port <= PORT_MAX) return { text, address, isUnixSocket: false };
  }
  throw new OperatingError(`engine "${text}" is neither host, host:port nor unix:///path`, {
    code: 'config.engine',
    exit: 'config',
    hints: [
      'a port is 1 to 65535; nv-hostengine listens on TCP port 5555; started with -d /path it listens on unix:///path',
    ],
  });
}
