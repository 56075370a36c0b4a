import type * as values from '../values.ts';

/** The web server, and who may see what in it. Secrets stand in files, never here. */
export const SERVE_KEYS = {
  about: 'the web server: docs/serve.md',
  keys: {
    listen: {
      type: (is: typeof values) => is.listenAddress.prefault('127.0.0.1:8470'),
      doc: 'address and port; beyond this machine only with TLS and with users, tokens or a proxy',
      flag: '--listen <address>',
    },
    url: {
      type: (is: typeof values) => is.publicUrl.exactOptional(),
      doc: 'where readers find it: links of reports begin with it',
      unset: 'none; reports print no links',
      example: 'https://gpu.example.org/',
    },
    tls_cert: {
      type: (is: typeof values) => is.path.exactOptional(),
      doc: 'certificate for TLS and those above it (PEM), read again when it changes',
      unset: 'no TLS',
      example: '/etc/gpuledger/tls/fullchain.pem',
    },
    tls_key: {
      type: (is: typeof values) => is.path.exactOptional(),
      doc: 'its key (PEM), which nobody but the server may read',
      example: '/etc/gpuledger/tls/privkey.pem',
    },
    users_file: {
      type: (is: typeof values) => is.path.exactOptional(),
      doc: 'users and bcrypt hashes of their passwords, as `htpasswd -B` writes them',
      example: '/etc/gpuledger/users',
    },
    tokens_file: {
      type: (is: typeof values) => is.path.exactOptional(),
      doc: 'names and SHA-256 hashes of their tokens (`Authorization: Bearer …`)',
      example: '/etc/gpuledger/tokens',
    },
    proxy_header: {
      type: (is: typeof values) => is.headerName.exactOptional(),
      doc: 'header in which a proxy tells the user, who is believed from `serve.proxy_addresses` alone',
      example: 'x-forwarded-user',
    },
    proxy_addresses: {
      type: (is: typeof values) => is.addressRanges.exactOptional(),
      doc: 'addresses of that proxy: a list, or text with commas, such as `10.0.0.7, 10.1.0.0/28`',
      example: '10.0.0.7',
    },
    roles_file: {
      type: (is: typeof values) => is.path.exactOptional(),
      doc: 'who sees more than their own jobs: operators, and members of accounts (YAML)',
      unset: 'nobody, where there are users, tokens or a proxy',
      example: '/etc/gpuledger/roles.yaml',
    },
  },
} as const;
