/** A collector as the chaos run starts it: the real command line, in a process of its own. */
const { main } = await import('../../src/cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
