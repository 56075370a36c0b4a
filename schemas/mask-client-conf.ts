/** Keys of a client configuration string whose values may be shown. Every other value is taken for a secret. */
const HARMLESS_KEYS = [
  'addr',
  'username',
  'protocol_version',
  'tls_verify',
  'tls_ca',
  'request_timeout',
  'request_min_throughput',
  'retry_timeout',
  'auto_flush',
  'auto_flush_rows',
  'auto_flush_interval',
  'init_buf_size',
  'max_buf_size',
  'max_name_len',
  'stdlib_http',
];

const SECRET_KEYS = ['password', 'token', 'token_x', 'token_y', 'tls_roots_password'];

/** The string with its passwords and tokens replaced by `***`, to be shown to people. Works on malformed strings too. */
export function maskClientConf(text: string): string {
  const start = /^\s*(https?|tcps?)::/.exec(text)?.[0].length ?? 0;
  // ";;" is a semicolon inside a value.
  const settings = text.slice(start).match(/(?:;;|[^;])+/g) ?? [];
  const shown = settings.map((setting) => {
    const key = setting.slice(0, Math.max(0, setting.indexOf('=')));
    // An address such as user:secret@host is malformed, and holds a secret.
    if (HARMLESS_KEYS.includes(key) && !setting.includes('@')) return `${setting};`;
    return HARMLESS_KEYS.includes(key) || SECRET_KEYS.includes(key) ? `${key}=***;` : '***;';
  });
  return text.slice(0, start).trimStart() + shown.join('');
}
