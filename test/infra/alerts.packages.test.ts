/**
 * Goal: Prometheus takes the rules, and each alert speaks where it has to and is silent where it has to. Method: `promtool` on
 * the cases of `prometheus/gpuledger.rules.test.yaml`, and on rules of which one is spoilt at a time: no case is for nothing.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { ROOT, runToEnd, type Ended } from '../helpers/run-process.ts';

interface Rules {
  groups: { rules: { alert: string; expr: string; for?: string }[] }[];
}

const RULES = 'infra/prometheus/gpuledger.rules.yaml';
const CASES = 'test/infra/prometheus/gpuledger.rules.test.yaml';
const text = readFileSync(join(ROOT, RULES), 'utf8');
const alerts = (parse(text) as Rules).groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-alerts-'));
  for (const path of [RULES, CASES]) mkdirSync(join(directory, dirname(path)), { recursive: true });
  cpSync(join(ROOT, CASES), join(directory, CASES));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function judged(rules: string): Promise<Ended> {
  writeFileSync(join(directory, RULES), rules);
  return await runToEnd('promtool', ['test', 'rules', join(directory, CASES)]);
}

test('Prometheus takes the example of its configuration, and the rules that it names', async () => {
  const example = join(ROOT, 'infra/prometheus/prometheus.example.yaml');
  const { exitCode, stdout } = await runToEnd('promtool', ['check', 'config', '--lint-fatal', example]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain(`${alerts.length} rules found`);
});

test('each alert speaks and is silent as its cases say', async () => {
  expect(await judged(text)).toMatchObject({ exitCode: 0 });
});

test.each(alerts.flatMap((alert) => [[alert, 'never'] as const, [alert, 'always'] as const]))(
  'the cases of %s notice one that speaks %s',
  async (alert, when) => {
    const rules = parse(text) as Rules;
    const rule = rules.groups.flatMap((group) => group.rules).find((one) => one.alert === alert)!;
    rule.expr = when === 'never' ? 'vector(1) > 2' : 'vector(1)';
    delete rule.for;
    expect((await judged(stringify(rules))).exitCode).not.toBe(0);
  },
);

test('docs/alerts.md has a line for each, and for none that there is not', () => {
  const page = readFileSync(join(ROOT, 'docs/alerts.md'), 'utf8');
  expect([...page.matchAll(/^\| `(Gpuledger\w+)` \|/gm)].map(([, name]) => name)).toEqual(alerts);
});
