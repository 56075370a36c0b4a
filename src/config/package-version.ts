import manifest from '../../package.json' with { type: 'json' };

/** The version of gpuledger. A build holds a copy of it. */
export const VERSION = manifest.version;
