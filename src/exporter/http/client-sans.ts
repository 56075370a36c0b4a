import type { X509Certificate } from 'node:crypto';

/** The names for which a certificate stands: DNS, e-mail, addresses and URIs, as Go writes them. */
export function sansOf({ subjectAltName }: Pick<X509Certificate, 'subjectAltName'>): string[] {
  return entriesOf(subjectAltName ?? '').flatMap((entry) => {
    const [, kind = '', value = ''] = /^([^:]+):(.*)$/s.exec(entry) ?? [];
    if (!KINDS.has(kind)) return [];
    // Node puts what holds a comma or a quote into JSON, so that no name can pretend to be two.
    const name = value.startsWith('"') ? (JSON.parse(value) as string) : value;
    return [kind === 'IP Address' ? goAddress(name) : name];
  });
}

const KINDS = new Set(['DNS', 'email', 'IP Address', 'URI']);

/** Split at commas that are in no quotes. */
function entriesOf(text: string): string[] {
  return text.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g)?.map((entry) => entry.trim()) ?? [];
}

/** `FD00:0:0:0:0:0:0:1` as `fd00::1`. */
function goAddress(address: string): string {
  if (!address.includes(':')) return address;
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
