/** Whether `Accept-Encoding` asks for gzip: by its name, else by `*`, each unless its quality is 0. What is malformed asks for nothing. */
export function acceptsGzip(header: string | undefined): boolean {
  if (header === undefined) return false;
  const wishes = new Map(
    header.split(',').flatMap((text) => {
      const [, name, quality] = WISH.exec(text.trim()) ?? [];
      return name === undefined ? [] : [[name.toLowerCase(), Number(quality ?? 1)] as const];
    }),
  );
  return (wishes.get('gzip') ?? wishes.get('x-gzip') ?? wishes.get('*') ?? 0) > 0;
}

/** `gzip`, `gzip;q=0.5`. */
const WISH = /^([A-Za-z0-9!#$&'*+.^_`|~-]+)(?:\s*;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/i;
