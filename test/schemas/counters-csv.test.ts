import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseCounters } from '../../schemas/counters-csv.ts';
import { OperatingError } from '../../src/core/base/errors.ts';

function readFixture(name: string): string {
  return readFileSync(new URL(`../fixtures/counters/${name}`, import.meta.url), 'utf8');
}

/** What a person reads of a refusal. */
function refusalOf(text: string): string {
  try {
    parseCounters(text, 'counters.csv');
  } catch (thrown) {
    if (thrown instanceof OperatingError) return `${thrown.where ?? ''}: ${thrown.message}`;
    throw thrown;
  }
  return 'accepted';
}

function idsOf(text: string): number[] {
  return parseCounters(text, 'counters.csv').fields.map(({ id }) => id);
}

describe('what is accepted', () => {
  test('a file as dcgm-exporter ships it', () => {
    const text = `# Format
# If line starts with a '#' it is considered a comment
# DCGM FIELD, Prometheus metric type, help message

# Clocks
DCGM_FI_DEV_SM_CLOCK,  gauge, SM clock frequency (in MHz).
DCGM_FI_DEV_DEC_UTIL , gauge, Decoder utilization (in %).

DCGM_FI_PROF_SM_ACTIVE,gauge,
`;
    expect(parseCounters(text, 'counters.csv')).toMatchObject({ warnings: [] });
    expect(idsOf(text)).toEqual([100, 207, 1002]);
  });

  test('the default file of dcgm-exporter 4.9, in base units, is the one of 4.8 and the size of the memory', () => {
    const { fields, warnings } = parseCounters(readFixture('exporter-4.9-default.csv'), 'counters.csv');
    expect(fields.map(({ column }) => column)).toEqual([
      ...['sm_clock_hertz', 'mem_clock_hertz', 'memory_temp_celsius', 'gpu_temp_celsius', 'power_watts'],
      ...['energy_joules', 'pcie_replay_total', 'gpu_util_ratio', 'mem_copy_util_ratio', 'enc_util_ratio'],
      ...[
        'dec_util_ratio',
        'xid_code',
        'fb_total_bytes',
        'fb_free_bytes',
        'fb_used_bytes',
        'fb_reserved_bytes',
      ],
      ...[
        'nvlink_bandwidth_bytes_per_second',
        'vgpu_license_status_code',
        'remapped_rows_uncorrectable_total',
      ],
      ...['remapped_rows_correctable_total', 'row_remap_failure', 'gr_engine_active_ratio'],
      ...['tensor_active_ratio', 'dram_active_ratio', 'pcie_tx_bytes_per_second', 'pcie_rx_bytes_per_second'],
    ]);
    expect(warnings).toEqual([
      'line 46: DCGM_FI_SYSTEM_DRIVER_VERSION makes no column: a label is a fact about the device: it is the column driver of gpu_inventory',
    ]);
  });

  test('a quantity that is asked for in both units is recorded once', () => {
    const text = 'DCGM_FI_DEV_FB_USED,gauge,MiB\nDCGM_FI_DEV_FB_USED_BYTES,gauge,bytes\n';
    const { fields, warnings } = parseCounters(text, 'counters.csv');
    expect(fields).toEqual([expect.objectContaining({ id: 252, column: 'fb_used_bytes', scale: 1_048_576 })]);
    expect(warnings).toEqual([
      'line 2: DCGM_FI_DEV_FB_USED_BYTES is already in line 1, which counts; this row is ignored',
    ]);
  });

  test.each([
    ['nothing at all', '', []],
    ['comments only', '# nothing\n#\n', []],
    ['CRLF', 'DCGM_FI_DEV_SM_CLOCK,gauge,x\r\nDCGM_FI_DEV_MEM_CLOCK,gauge,y\r\n', [100, 101]],
    ['no last newline', 'DCGM_FI_DEV_SM_CLOCK,gauge,x', [100]],
    ['a quoted comma, a quoted quote', 'DCGM_FI_DEV_SM_CLOCK,gauge,"a, ""b"""\n', [100]],
    [
      'a quoted line break, then a comment',
      'DCGM_FI_DEV_SM_CLOCK,gauge,"a\nb"\n#c\nDCGM_FI_DEV_MEM_CLOCK,gauge,\n',
      [100, 101],
    ],
    ['a # that is not the first byte', 'DCGM_FI_DEV_SM_CLOCK,gauge,# of things\n', [100]],
    ['4.6 names', 'DCGM_FI_DEV_GPU_TEMP_CELSIUS,gauge,\n', [150]],
    ['1.x names', 'dcgm_gpu_temp,gauge,\n', [150]],
    ['older macros', 'DCGM_FI_DEV_CLOCK_THROTTLE_REASONS,gauge,\n', [112]],
    [
      'types of old and new exporters',
      'DCGM_FI_DEV_SM_CLOCK,untyped,\nDCGM_FI_DEV_MEM_CLOCK,summary,\n',
      [100, 101],
    ],
  ])('%s', (_name, text, ids) => {
    expect(idsOf(text)).toEqual(ids);
  });
});

describe('what makes no column, and why', () => {
  test.each([
    [
      'DCGM_FI_DRIVER_VERSION,label,Driver',
      'line 1: DCGM_FI_DRIVER_VERSION makes no column: a label is a fact about the device: it is the column driver of gpu_inventory',
    ],
    [
      'DCGM_FI_SYSTEM_DRIVER_VERSION,gauge,Driver',
      'line 1: DCGM_FI_SYSTEM_DRIVER_VERSION makes no column: it is a string, and a column is a number; it is the column driver of gpu_inventory',
    ],
    [
      'DCGM_FI_DEV_NVML_INDEX,label,',
      'line 1: DCGM_FI_DEV_NVML_INDEX makes no column: a label is a fact about the device: it is the column gpu_index of gpu_inventory',
    ],
    [
      'DCGM_FI_CUDA_DRIVER_VERSION,label,',
      'line 1: DCGM_FI_CUDA_DRIVER_VERSION makes no column: a label makes no series; give the row the type gauge to record it',
    ],
    [
      'DCGM_FI_DEV_PCIE_TX_THROUGHPUT,label,',
      'line 1: DCGM_FI_DEV_PCIE_TX_THROUGHPUT makes no column: DCGM has no value for it; use DCGM_FI_PROF_PCIE_TX_BYTES',
    ],
    [
      'DCGM_FI_DEV_MIG_MODE,label,',
      'line 1: DCGM_FI_DEV_MIG_MODE makes no column: a label makes no series; give the row the type gauge to record it',
    ],
    [
      'DCGM_EXP_XID_ERRORS_COUNT,gauge,',
      'line 1: DCGM_EXP_XID_ERRORS_COUNT is worked out by dcgm-exporter and makes no column: every XID is a row of gpu_events with its time',
    ],
    [
      'DCGM_FI_DEV_PCIE_TX_THROUGHPUT,gauge,',
      'line 1: DCGM_FI_DEV_PCIE_TX_THROUGHPUT makes no column: DCGM has no value for it; use DCGM_FI_PROF_PCIE_TX_BYTES',
    ],
    [
      'DCGM_FI_DEV_CPU_UTIL_TOTAL,gauge,',
      'line 1: DCGM_FI_DEV_CPU_UTIL_TOTAL makes no column: it belongs to a cpu core, and a lane records GPUs',
    ],
  ])('%s', (row, warning) => {
    const { fields, warnings, rows } = parseCounters(`${row}\n`, 'counters.csv');
    expect({ fields, warnings }).toEqual({ fields: [], warnings: [warning] });
    // What an exporter serves of it is another matter.
    const [name, type, help] = row.split(',');
    expect(rows).toEqual([expect.objectContaining({ line: 1, name, type, help })]);
  });

  test('the first of two rows for a field wins, whatever they call it', () => {
    const text =
      'DCGM_FI_DEV_GPU_TEMP,gauge,a\nDCGM_FI_DEV_GPU_TEMP,counter,b\nDCGM_FI_DEV_GPU_TEMP_CELSIUS,gauge,c\n';
    const { fields, warnings } = parseCounters(text, 'counters.csv');
    expect(fields.map(({ id }) => id)).toEqual([150]);
    expect(warnings).toEqual([
      'line 2: DCGM_FI_DEV_GPU_TEMP is already in line 1, which counts; this row is ignored',
      'line 3: DCGM_FI_DEV_GPU_TEMP_CELSIUS is already in line 1, which counts; this row is ignored',
    ]);
  });
});

describe('what refuses the whole file', () => {
  const good = 'DCGM_FI_DEV_SM_CLOCK,gauge,x\n';
  const ragged = 'counters file: expected as many columns as the first row has, came';
  test.each([
    [
      'an unquoted comma in the first row',
      'DCGM_FI_DEV_SM_CLOCK,gauge,a, b\n',
      'line 1: counters file: expected three columns (field, type, help), came 4',
    ],
    ['an unquoted comma later', `${good}DCGM_FI_DEV_MEM_CLOCK,gauge,a, b\n`, `line 2: ${ragged} 4`],
    [
      'a # that begins no line',
      'DCGM_FI_DEV_SM_CLOCK,gauge,a # b, c\n',
      'line 1: counters file: expected three columns (field, type, help), came 4',
    ],
    [
      'a bad row with a quoted line break',
      'NO_SUCH,gauge,"a\nb"\n',
      'line 1: counters file: no field is called "NO_SUCH" (upper and lower case matter)',
    ],
    ['an indented comment', `${good} # x\n`, `line 2: ${ragged} 1`],
    ['a line of blanks', `${good}   \n`, `line 2: ${ragged} 1`],
    [
      'an unknown field',
      `${good}\n#\nDCGM_FI_DEV_SM_CLOK,gauge,\n`,
      'line 4: counters file: no field is called "DCGM_FI_DEV_SM_CLOK" (upper and lower case matter)',
    ],
    [
      'lower case',
      'dcgm_fi_dev_sm_clock,gauge,\n',
      'line 1: counters file: no field is called "dcgm_fi_dev_sm_clock" (upper and lower case matter)',
    ],
    [
      'a tab',
      '\tDCGM_FI_DEV_SM_CLOCK,gauge,\n',
      'line 1: counters file: no field is called "\tDCGM_FI_DEV_SM_CLOCK" (upper and lower case matter)',
    ],
    [
      'an id',
      '100,gauge,\n',
      'line 1: counters file: no field is called "100" (upper and lower case matter)',
    ],
    [
      'a name of sixteen million letters, which is not compared with those that are known',
      `${'A'.repeat(16e6)},gauge,\n`,
      `line 1: counters file: no field is called "${'A'.repeat(80)}…" (upper and lower case matter)`,
    ],
    [
      'an unknown type',
      `${good}DCGM_FI_DEV_MEM_CLOCK,Gauge,\n`,
      'line 2: counters file: expected a type (gauge, counter, histogram, summary, untyped, label), came "Gauge"',
    ],
    [
      'an unknown type of an exporter counter',
      'DCGM_EXP_XID_ERRORS_COUNT,gouge,\n',
      'line 1: counters file: expected a type (gauge, counter, histogram, summary, untyped, label), came "gouge"',
    ],
    [
      'a quote after a blank',
      'DCGM_FI_DEV_SM_CLOCK,gauge, "a, b"\n',
      'line 1: counters file: a quote stands inside a text that does not begin with one',
    ],
    [
      'text after a closing quote',
      `${good}DCGM_FI_DEV_MEM_CLOCK,gauge,"a"b\n`,
      'line 2: counters file: something stands between a closing quote and the next comma',
    ],
    [
      'an open quote',
      `${good}DCGM_FI_DEV_MEM_CLOCK,gauge,"a\nb\n`,
      'line 2: counters file: a quoted text is never closed',
    ],
    [
      'a byte order mark',
      `\uFEFF${good}`,
      'line 1: counters file: the file begins with a byte order mark, which dcgm-exporter reads as part of the first name',
    ],
    [
      'a bad row after a quoted line break',
      'DCGM_FI_DEV_SM_CLOCK,gauge,"a\nb"\nNO_SUCH,gauge,\n',
      'line 3: counters file: no field is called "NO_SUCH" (upper and lower case matter)',
    ],
  ])('%s', (_name, text, refusal) => {
    expect(refusalOf(text)).toBe(`counters.csv, ${refusal}`);
  });

  test('names the counter of the exporter that may have been meant', () => {
    expect(() => parseCounters('DCGM_EXP_XID_ERROR_COUNT,gauge,\n', 'c.csv')).toThrow(
      expect.objectContaining({
        hints: [expect.stringMatching(/^did you mean: DCGM_EXP_XID_ERRORS_COUNT/) as unknown],
      }),
    );
  });

  test('names what may have been meant', () => {
    expect(() => parseCounters('DCGM_FI_DEV_SM_CLOK,gauge,\n', 'c.csv')).toThrow(
      expect.objectContaining({
        exit: 'config',
        hints: [expect.stringContaining('did you mean: DCGM_FI_DEV_SM_CLOCK') as unknown],
      }),
    );
  });
});
