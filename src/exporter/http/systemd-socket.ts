import { OperatingError } from '../../core/base/errors.ts';

/** The first one that systemd hands over (sd_listen_fds). */
const FIRST_FD = 3;

/**
 * The sockets that systemd opened and handed to this process, by number.
 * @param env `LISTEN_FDS` says how many, `LISTEN_PID` to whom
 * @throws OperatingError `exporter.socket`
 */
export function handedSockets(env: Readonly<Record<string, string | undefined>>, pid: number): number[] {
  const { LISTEN_FDS: count, LISTEN_PID: owner } = env;
  if (count === undefined || owner === undefined)
    throw socketError('expected a socket of systemd (LISTEN_FDS, LISTEN_PID), came none');
  if (owner !== String(pid))
    throw socketError(
      `expected a socket for this process (${pid}), came one for another (LISTEN_PID ${shown(owner)})`,
    );
  if (!/^[1-9]\d{0,2}$/.test(count))
    throw socketError(`expected at least one socket of systemd, came LISTEN_FDS ${shown(count)}`);
  return Array.from({ length: Number(count) }, (_, index) => FIRST_FD + index);
}

export function socketError(message: string, cause?: unknown): OperatingError {
  return new OperatingError(message, {
    code: 'exporter.socket',
    exit: 'config',
    hints: [
      'start the .socket unit, and let it start the service: systemctl enable --now NAME.socket',
      'or listen on an address, without --web-systemd-socket',
    ],
    cause,
  });
}

/** What stands in the environment may be anything. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 20));
}
