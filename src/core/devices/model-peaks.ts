import { beginsModel } from './model-beginning.ts';

/**
 * What devices can do at most, as NVIDIA's data sheets say: the tensor pipe with dense matrices of 16 bits (BF16; FP16 on Volta), and
 * the memory. Where a sheet tells of sparse ones only, it is half of that.
 */
export interface ModelPeaks {
  /** A model's name begins so, as NVML tells it, without `NVIDIA ` or `Tesla `; of several the longest counts. */
  readonly model: string;
  readonly tensorFlops: number;
  readonly memoryBytesPerSecond: number;
  /** Data sheet. */
  readonly source: string;
}

const peaks = (model: string, teraflops: number, gigabytes: number, source: string): ModelPeaks => ({
  model,
  tensorFlops: teraflops * 1e12,
  memoryBytesPerSecond: gigabytes * 1e9,
  source,
});

const MODEL_PEAKS: readonly ModelPeaks[] = [
  peaks('V100-SXM2', 125, 900, 'NVIDIA V100 data sheet (2020)'),
  peaks('V100-PCIE', 112, 900, 'NVIDIA V100 data sheet (2020)'),
  peaks('A100-SXM4-40GB', 312, 1555, 'NVIDIA A100 data sheet (2020)'),
  peaks('A100-PCIE-40GB', 312, 1555, 'NVIDIA A100 data sheet (2020)'),
  peaks('A100-SXM4-80GB', 312, 2039, 'NVIDIA A100 data sheet (2022)'),
  peaks('A100 80GB PCIe', 312, 1935, 'NVIDIA A100 data sheet (2022)'),
  peaks('A30', 165, 933, 'NVIDIA A30 data sheet (2022)'),
  peaks('A40', 149.7, 696, 'NVIDIA A40 data sheet (2022)'),
  peaks('L4', 121, 300, 'NVIDIA L4 data sheet (2023), half of sparse'),
  peaks('L40', 181.05, 864, 'NVIDIA L40 data sheet (2023)'),
  peaks('L40S', 362.05, 864, 'NVIDIA L40S data sheet (2023)'),
  peaks('H100 80GB HBM3', 989.5, 3350, 'NVIDIA H100 data sheet (2024), half of sparse'),
  peaks('H100 NVL', 835.5, 3900, 'NVIDIA H100 data sheet (2024), half of sparse'),
  peaks('H100 PCIe', 756.5, 2000, 'NVIDIA H100 data sheet (2023), half of sparse'),
  peaks('H200', 989.5, 4800, 'NVIDIA H200 data sheet (2024), half of sparse'),
  peaks('H200 NVL', 835.5, 4800, 'NVIDIA H200 data sheet (2024), half of sparse'),
  peaks('B200', 2250, 8000, 'NVIDIA DGX B200 data sheet (2024), an eighth of the system, half of sparse'),
];

/** Undefined of a model whose data sheet is not here. @param model as it was told */
export function peaksOf(model: string): ModelPeaks | undefined {
  const name = model.replace(/^(NVIDIA|Tesla) /, '').replace(/^Tesla /, '');
  return MODEL_PEAKS.filter((one) => beginsModel(one.model, name)).sort(
    (a, b) => b.model.length - a.model.length,
  )[0];
}

/** Whether its tensor cores take 32-bit numbers (TF32), as those from Ampere on do; false of a model that is not known here. */
export function hasFastMatrices(model: string | undefined): boolean {
  const peaks = model === undefined ? undefined : peaksOf(model);
  return peaks !== undefined && !peaks.model.startsWith('V100');
}
