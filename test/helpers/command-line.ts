/** `gpuledger ARGS` from the sources, as a file: a command that starts workers cannot run from `node -e`. */
import { main } from '../../src/cli/main.ts';

process.exitCode = await main(process.argv.slice(2));
