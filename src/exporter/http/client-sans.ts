import type { X509Certificate } from 'node:crypto';

/** The names for which a certificate stands: DNS, e-mail, addresses and URIs, as Go writes them. */
export function sansOf({ subjectAltName }: Pick<X509Certificate, 'subjectAltName'>): string[] {
  // Node writes a name that holds a comma or a quote as JSON, and the comma as \u002c, so that no name can pretend to be two.
  return (subjectAltName ?? '').split(', ').flatMap((entry) => {
    const [, kind = '', value = ''] = /^([^:]+):(.*)$/s.exec(entry) ?? [];
    if (!KINDS.has(kind)) return [];
    const name = value.startsWith('"') ? (JSON.parse(value) as string) : value;
    return [kind === 'IP Address' ? goAddress(name) : name];
  });
}

const KINDS = new Set(['DNS', 'email', 'IP Address', 'URI']);

/** `FD00:0:0:0:0:0:0:1` as `fd00::1`. */
function goAddress(address: string): string {
  if (!address.includes(':')) return address;
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
