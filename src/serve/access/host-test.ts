import { isLoopback } from '../../config/addresses.ts';

/**
 * Whether the `Host` of a request is one under which this server may be asked for on its own machine. A page of a stranger can make a browser here
 * ask for the stranger's own name, which leads to 127.0.0.1 (DNS rebinding), and would read the answer: that name stands in `Host`.
 * @param url `serve.url`
 */
export function hostTest(url: string | undefined): (host: string) => boolean {
  const own = url === undefined ? undefined : new URL(url).hostname;
  return (host) => {
    const [, v6, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host) ?? [];
    const bare = v6 ?? name?.toLowerCase().replace(/\.$/, '');
    if (bare === undefined) return false;
    return isLoopback(bare) || (v6 === undefined ? bare : `[${bare.toLowerCase()}]`) === own;
  };
}
