/** Slurm uses and accounts the name of a cluster in lower case, however somebody writes it. So does every row. */
export function asClusterName(written: string): string {
  return written.toLowerCase();
}
