/**
 * Where the code of a worker or of a child process stands: in a file beside the module that starts it. The compiler
 * rewrites imports and not URLs, so the ending is that of the module: built code starts built code.
 * @param file `./x-worker.ts`, as it is called in the sources
 * @param moduleUrl `import.meta.url` of the module that starts it
 */
export function codeUrl(file: `./${string}.ts`, moduleUrl: string): URL {
  return new URL(moduleUrl.endsWith('.ts') ? file : file.replace(/\.ts$/, '.js'), moduleUrl);
}
