/**
 * For `node --import`, which holds for the worker threads of the process too: whoever opens the synthetic source gets the
 * one that writes down its ticks. The program that runs knows nothing of it.
 */
import { registerHooks } from 'node:module';

const opener = new URL('../../src/source/open-source.ts', import.meta.url).href;
const standIn = new URL('./witnessed-synthetic.ts', import.meta.url).href;

registerHooks({
  resolve(specifier, context, nextResolve) {
    const isSynthetic = specifier === './synthetic.ts' && context.parentURL === opener;
    return nextResolve(isSynthetic ? standIn : specifier, context);
  },
});
