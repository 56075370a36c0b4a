/**
 * Goal: the JSON Schemas in infra/schemas are what the JSON of reports is, for whoever reads it without our code. Method: a validator
 * that knows nothing of zod, over the golden outputs (which are of a real store), and over documents that are wrong in one thing.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';

type Json = Record<string, unknown>;

const GOLDEN = new URL('golden/', import.meta.url);
const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });

function schemaOf(name: string): ValidateFunction {
  const text = readFileSync(new URL(`../../infra/schemas/${name}.schema.json`, import.meta.url), 'utf8');
  return ajv.compile(JSON.parse(text) as Json);
}

const byReport = {
  job: schemaOf('report-job'),
  tasks: schemaOf('report-tasks'),
  jobs: schemaOf('report-jobs'),
  capacity: schemaOf('report-capacity'),
};

/** The JSON of a golden file is its third part. */
function goldenJson(file: string): Json {
  return JSON.parse(readFileSync(new URL(file, GOLDEN), 'utf8').split('=====\n')[2]!) as Json;
}

function faultsOf(validate: ValidateFunction, json: unknown): string[] {
  validate(json);
  return (validate.errors ?? []).map(({ instancePath, message }) =>
    `${instancePath} ${message ?? ''}`.trim(),
  );
}

const files = readdirSync(GOLDEN);

test.each(files)('%s fits its schema', (file) => {
  const report = file.split('-')[0] as keyof typeof byReport;
  expect(faultsOf(byReport[report], goldenJson(file))).toEqual([]);
});

test('golden outputs are of every report but the table of many jobs', () => {
  expect(new Set(files.map((file) => file.split('-')[0]))).toEqual(new Set(['job', 'tasks', 'capacity']));
});

describe('one thing wrong', () => {
  const story = goldenJson('job-story.txt');
  const [device] = story.devices as [Json];
  test.each<[string, Json]>([
    ["must have required property 'ownedUs'", { ...story, ownedUs: undefined }],
    ["must have required property 'devices'", { ...story, devices: undefined }],
    ['must NOT have additional properties', { ...story, owned_us: 1 }],
    ['/samples must be integer', { ...story, samples: 1.5 }],
    ['/samples must be integer', { ...story, samples: '12' }],
    ['/ownedUs must be >= 0', { ...story, ownedUs: -1 }],
    ['/ownedUs must be number', { ...story, ownedUs: null }],
    ['/coverageRatio must be <= 1.000000001', { ...story, coverageRatio: 1.01 }],
    ['/sharing must be equal to one of the allowed values', { ...story, sharing: 'half' }],
    ['/devices/0 must NOT have additional properties', { ...story, devices: [{ ...device, uuid: 'G' }] }],
    [
      "/devices/0/energy must have required property 'bestUs'",
      { ...story, devices: [{ ...device, energy: {} }] },
    ],
  ])('%s', (fault, wrong) => {
    // A key without a value is no key in JSON.
    expect(faultsOf(byReport.job, JSON.parse(JSON.stringify(wrong)))).toContain(fault);
  });
});

test('the files are what schemas/reports say', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-report-schemas.ts', '--check'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
