import { BlockList, isIP } from 'node:net';

/** Where a server listens. `host` is an address without brackets, `localhost`, or empty: every address of this machine. */
export interface ListenAddress {
  readonly host: string;
  /** 0 is any free one. */
  readonly port: number;
}

/** Undefined where it is none: `127.0.0.1:8470`, `[::1]:8470`, `localhost:8470`. No other name, since what it resolves to may change. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, v6, other, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? other?.toLowerCase();
  const port = Number(digits);
  if (host === undefined || port > 65_535) return undefined;
  const isKnown = v6 === undefined ? host === 'localhost' || isIP(host) === 4 : isIP(v6) === 6;
  return isKnown ? { host, port } : undefined;
}

/** As dcgm-exporter is told it: like the others, and `:9400` is every address of this machine. Undefined where it is none. */
export function parseMetricsAddress(text: string): ListenAddress | undefined {
  const [, digits] = /^:(\d{1,5})$/.exec(text) ?? [];
  if (digits === undefined) return parseListenAddress(text);
  return Number(digits) > 65_535 ? undefined : { host: '', port: Number(digits) };
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether nothing that is sent there leaves this machine. @param host an address without brackets, or a name */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || isWithin(LOOPBACK, host);
}

/** One address, or all that begin like it. */
export interface AddressRange {
  readonly address: string;
  /** How many bits count. */
  readonly prefixBits: number;
}

/** Undefined where it is none: `10.0.0.7`, `10.0.0.0/24`, `2001:db8::/48`. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [, address = '', digits] = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  const bits = family === 4 ? 32 : 128;
  const prefixBits = digits === undefined ? bits : Number(digits);
  return family === 0 || prefixBits > bits ? undefined : { address, prefixBits };
}

export function formatAddressRange({ address, prefixBits }: AddressRange): string {
  return prefixBits === (address.includes(':') ? 128 : 32) ? address : `${address}/${prefixBits}`;
}

/** @returns whether an address is in one of the ranges; an IPv4 one also as IPv6 has it (`::ffff:10.0.0.7`) */
export function addressTest(ranges: readonly AddressRange[]): (address: string | undefined) => boolean {
  const list = new BlockList();
  for (const { address, prefixBits } of ranges) list.addSubnet(address, prefixBits, familyOf(address));
  return (address) => address !== undefined && isWithin(list, address);
}

function isWithin(list: BlockList, address: string): boolean {
  return isIP(address) !== 0 && list.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
