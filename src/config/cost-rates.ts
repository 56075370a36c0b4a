import { parseGrams, type GramsFile } from '../../schemas/costs/grams-csv.ts';
import { OperatingError } from '../core/base/errors.ts';
import { fileError } from '../core/base/file-fault.ts';
import type { CostRates } from '../core/costs/costs.ts';
import { readNamedFile } from '../disk/named-file.ts';
import type { Config } from './config.ts';

/** What is configured of costs, for a report. */
export interface ConfiguredCosts {
  readonly rates: CostRates;
  /** Rows of the file of grams that were refused; empty where there is no file. */
  readonly refused: GramsFile['refused'];
}

/** Thirty years of hours have less. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

/**
 * What is configured of costs; undefined where nothing is that a report could tell. Reads the file of grams: only reports need it,
 * and no collector should fail to start for the want of it.
 * @throws OperatingError `costs.grams_file` (exit `config`)
 */
export function configuredCosts({ costs }: Pick<Config, 'costs'>): ConfiguredCosts | undefined {
  const { currency, gpuHour, kwhPrice, pue, gramsPerKwh, gramsFile, rgu } = costs;
  if ([gpuHour, kwhPrice, gramsPerKwh, gramsFile, rgu].every((value) => value === undefined))
    return undefined;
  const file = gramsFile === undefined ? undefined : parseGrams(readText(gramsFile), gramsFile);
  return {
    rates: { currency, gpuHour, rgu, kwhPrice, pue, gramsPerKwh: file?.grams ?? gramsPerKwh },
    refused: file?.refused ?? [],
  };
}

function readText(path: string): string {
  const detail = { code: 'costs.grams_file', exit: 'config', where: path } as const;
  let bytes: Buffer | undefined;
  try {
    bytes = readNamedFile(path, FILE_BYTES_MAX);
  } catch (thrown) {
    throw fileError('costs.grams_file cannot be read', thrown, detail);
  }
  if (bytes === undefined)
    throw new OperatingError(
      `costs.grams_file: expected at most ${FILE_BYTES_MAX / 1024 / 1024} MiB, found more`,
      detail,
    );
  return bytes.toString('utf8');
}
