import type { ClientConf } from './client-conf.ts';

/** A server and nothing else. */
const PLAIN =
  /^(https?)::addr=([A-Za-z][A-Za-z0-9-]*(?:\.[A-Za-z][A-Za-z0-9-]*)*|\d{1,3}(?:\.\d{1,3}){3}):([1-9]\d{0,4});$/;
const PORT_MAX = 65_535;

/**
 * What `parseClientConf` says, without loading the official client for a string that names a server and nothing else: the
 * client brings a whole HTTP stack along, a tenth of a second that a short-lived command does not have.
 * @throws OperatingError `client_conf.invalid` (exit `config`)
 */
export async function readClientConf(text: string): Promise<ClientConf> {
  const plain = parsePlainConf(text);
  if (plain !== undefined) return plain;
  const { parseClientConf } = await import('./client-conf.ts');
  return parseClientConf(text);
}

/** @returns undefined for whatever needs a closer look, right or wrong. */
export function parsePlainConf(text: string): ClientConf | undefined {
  const [, protocol, host, port] = PLAIN.exec(text) ?? [];
  if (host === undefined || Number(port) > PORT_MAX || !URL.canParse(`http://${host}`)) return undefined;
  return { protocol: protocol === 'https' ? 'https' : 'http', host, port: Number(port), tlsVerify: true };
}
