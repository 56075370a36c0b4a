/**
 * Goal: Prometheus takes the rules, and each alert speaks where it has to and is silent where it has to. Method: `promtool` on
 * the cases of `prometheus/gpuledger.rules.test.yaml`, and on rules of which one is spoilt at a time: no case is for nothing.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { ROOT, runToEnd, type Ended } from '../helpers/run-process.ts';

interface Rules {
  groups: { rules: { alert: string; expr: string; for?: string }[] }[];
}

interface Cases {
  tests: { alert_rule_test: { alertname: string }[] }[];
}

const RULES = 'infra/prometheus/gpuledger.rules.yaml';
const CASES = 'test/infra/prometheus/gpuledger.rules.test.yaml';
const text = readFileSync(join(ROOT, RULES), 'utf8');
const casesText = readFileSync(join(ROOT, CASES), 'utf8');
const alerts = (parse(text) as Rules).groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-alerts-'));
  for (const path of [RULES, CASES]) mkdirSync(join(directory, dirname(path)), { recursive: true });
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Of one alert, and of its cases alone: those of the others would be computed in vain. */
function rulesOf(alert: string): Rules {
  const rules = parse(text) as Rules;
  const groups = rules.groups.map((group) => ({
    ...group,
    rules: group.rules.filter((one) => one.alert === alert),
  }));
  return { ...rules, groups: groups.filter((group) => group.rules.length > 0) };
}
function casesOf(alert: string): string {
  const cases = parse(casesText) as Cases;
  const tests = cases.tests.map((each) => ({
    ...each,
    alert_rule_test: each.alert_rule_test.filter(({ alertname }) => alertname === alert),
  }));
  return stringify({ ...cases, tests: tests.filter((each) => each.alert_rule_test.length > 0) });
}

async function judged(rules: string, cases: string): Promise<Ended> {
  writeFileSync(join(directory, RULES), rules);
  writeFileSync(join(directory, CASES), cases);
  return await runToEnd('promtool', ['test', 'rules', join(directory, CASES)]);
}

test('Prometheus takes the example of its configuration, and the rules that it names', async () => {
  const example = join(ROOT, 'infra/prometheus/prometheus.example.yaml');
  const { exitCode, stdout } = await runToEnd('promtool', ['check', 'config', '--lint-fatal', example]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain(`${alerts.length} rules found`);
});

test('each alert speaks and is silent as its cases say', async () => {
  expect(await judged(text, casesText)).toMatchObject({ exitCode: 0 });
});

test.each(alerts)('the cases of %s notice one that speaks never, or always', async (alert) => {
  const rules = rulesOf(alert);
  expect(await judged(stringify(rules), casesOf(alert))).toMatchObject({ exitCode: 0 });
  const [rule] = rules.groups.flatMap((group) => group.rules);
  delete rule!.for;
  for (const expr of ['vector(1) > 2', 'vector(1)']) {
    rule!.expr = expr;
    expect((await judged(stringify(rules), casesOf(alert))).exitCode, expr).toBe(1);
  }
});

test('docs/alerts.md has a line for each, and for none that there is not', () => {
  const page = readFileSync(join(ROOT, 'docs/alerts.md'), 'utf8');
  expect([...page.matchAll(/^\| `(Gpuledger\w+)` \|/gm)].map(([, name]) => name)).toEqual(alerts);
});
