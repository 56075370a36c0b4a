/**
 * Loaded into npm by node-modules.js. npm leaves out optional packages, native code among them, that the Node which it
 * runs on is too old for. Ours will run on the bundled Node, so that is the version it has to judge by.
 */
Object.defineProperty(process, 'version', { value: process.env.GPULEDGER_NODE_VERSION });
