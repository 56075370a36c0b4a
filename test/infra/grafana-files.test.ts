/**
 * Goal: what stands in infra/grafana is what Grafana takes, and what its descriptions say. Method: the files themselves; what their
 * queries answer is in grafana.test.ts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { DASHBOARDS, dashboardFiles, DIALECT_NAMES } from '../../scripts/grafana/files.ts';
import { DIALECTS, inDialect } from '../../scripts/grafana/words.ts';
import { ROOT } from '../helpers/run-process.ts';

const FOLDER = 'infra/grafana';
const read = (path: string): string => readFileSync(join(ROOT, FOLDER, path), 'utf8');

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly collapsed?: boolean;
  readonly panels?: readonly Panel[];
  readonly targets?: readonly Target[];
  readonly description?: string;
}
interface Target {
  readonly rawSql: string;
  readonly refId: string;
  readonly format: number | string;
  readonly datasource: { readonly type: string; readonly uid: string };
}
interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string;
  readonly allValue?: string;
}
interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list?: readonly { readonly target?: Target }[] };
  readonly links: readonly { readonly url?: string }[];
}

const files = await dashboardFiles();
const paths = [...files.keys()];
const dashboards = new Map(paths.map((path) => [path, JSON.parse(read(`dashboards/${path}`)) as Dashboard]));
const allPanels = (dashboard: Dashboard): Panel[] =>
  dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);

test('the files are what scripts/grafana says, and there are no others', () => {
  for (const [path, text] of files) expect(read(`dashboards/${path}`), path).toBe(text);
  const there = globSync('**/*.json', { cwd: join(ROOT, FOLDER, 'dashboards') });
  expect(there.toSorted()).toEqual(paths.toSorted());
  expect(paths).toHaveLength(DASHBOARDS.length * DIALECT_NAMES.length);
});

test('the generator says the same of them', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-grafana.ts', '--check'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('uids are those that links and bookmarks have', () => {
  expect([...dashboards.values()].map(({ uid }) => uid).toSorted()).toEqual([
    'gpuledger-fleet-postgres',
    'gpuledger-fleet-questdb',
    'gpuledger-health-postgres',
    'gpuledger-health-questdb',
    'gpuledger-job-postgres',
    'gpuledger-job-questdb',
    'gpuledger-node-postgres',
    'gpuledger-node-questdb',
  ]);
  expect(new Set([...dashboards.values()].map(({ title }) => title)).size).toBe(paths.length);
});

describe.each(paths)('%s', (path) => {
  const dashboard = dashboards.get(path)!;
  const dialect = DIALECT_NAMES.find((name) => path.startsWith(name))!;
  const panels = allPanels(dashboard);
  const targets = [
    ...panels.flatMap((panel) => panel.targets ?? []),
    ...(dashboard.annotations.list ?? []).flatMap(({ target }) => target ?? []),
  ];

  test('panels have ids of their own, and do not lie on each other', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = new Set<string>();
    for (const { title, gridPos, collapsed } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      expect(collapsed === true ? gridPos.h : 1, title).toBe(1);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(cells.has(`${x},${y}`), `${title} at ${x}, ${y}`).toBe(false);
          cells.add(`${x},${y}`);
        }
    }
  });

  test('each panel asks the chosen data source, of the kind that the dashboard is for', () => {
    const variable = dashboard.templating.list.find(({ name }) => name === 'datasource')!;
    expect(variable).toMatchObject({ type: 'datasource', query: DIALECTS[dialect].plugin });
    const source = { type: DIALECTS[dialect].plugin, uid: '${datasource}' };
    for (const panel of panels.filter(({ type }) => type !== 'row')) {
      expect(panel.datasource, panel.title).toEqual(source);
      expect(panel.targets, panel.title).toHaveLength(1);
      expect(panel.description!.length, panel.title).toBeGreaterThan(20);
    }
    for (const target of targets) expect(target.datasource).toEqual(source);
    expect(
      targets.every(({ format }) =>
        (dialect === 'questdb' ? [0, 1] : ['time_series', 'table']).includes(format as never),
      ),
    ).toBe(true);
  });

  test('what is put into SQL is a variable that there is, as a text or as a name', () => {
    const { list } = dashboard.templating;
    const known = new Set(list.map(({ name }) => name));
    const sqls = [
      ...targets.map(({ rawSql }) => rawSql),
      ...list.filter(({ type }) => type === 'query').map(({ query }) => query),
    ];
    expect(sqls.length).toBeGreaterThan(8);
    for (const sql of sqls) {
      for (const [whole, name, format] of sql.matchAll(/\$\{(\w+)(:\w+)?\}/g)) {
        expect(known, whole).toContain(name);
        expect([':sqlstring', ':percentencode'], whole).toContain(format);
        // Encoded, and in quotes.
        if (format === ':percentencode')
          expect(sql).toMatch(new RegExp(`"\\$\\{${name!}:percentencode\\}(_1[mhd])?"`));
      }
      const others = [...sql.matchAll(/\$(?!\{)\w+/g)].map(([whole]) => whole);
      const allowed = dialect === 'questdb' ? ['$__fromTime', '$__toTime'] : ['$__timeFrom', '$__timeTo'];
      expect(['$__interval_ms', ...allowed]).toEqual(expect.arrayContaining([...new Set(others)]));
      expect(sql).not.toContain('@');
    }
    // In place of all: a text, as the others are.
    for (const { allValue } of list) expect([undefined, '', "''"]).toContain(allValue);
  });

  test('links lead to dashboards and pages that there are', () => {
    const text = read(`dashboards/${path}`);
    const uids = [...text.matchAll(/"\/d\/([\w-]+)\?/g)].map(([, uid]) => uid);
    const own = [...dashboards.values()].map(({ uid }) => uid).filter((uid) => uid.endsWith(dialect));
    for (const uid of uids) expect(own).toContain(uid);
    for (const { url } of dashboard.links)
      if (url)
        for (const [, name] of url.matchAll(/\$\{(\w+)/g))
          expect(dashboard.templating.list.map((one) => one.name)).toContain(name);
  });
});

test('an unknown word is refused', () => {
  expect(() => inDialect('SELECT @nothing', 'postgres')).toThrow('@nothing is no word of panels');
});

describe('around them', () => {
  interface Compose {
    readonly include: readonly { readonly path: readonly string[] }[];
    readonly services: Readonly<
      Record<
        string,
        {
          readonly image: string;
          readonly ports: readonly string[];
          readonly environment: Readonly<Record<string, string>>;
          readonly volumes: readonly string[];
        }
      >
    >;
  }

  test('compose listens on loopback, pins its images, and has no password of its own', () => {
    const { include, services } = parse(read('compose.yaml')) as Compose;
    for (const path of include[0]!.path) expect(existsSync(join(ROOT, FOLDER, path)), path).toBe(true);
    const grafana = services['grafana']!;
    expect(grafana.image).toMatch(/^grafana\/grafana:\d+\.\d+\.\d+$/);
    expect(grafana.ports).toEqual(['127.0.0.1:3000:3000']);
    expect(grafana.environment['GF_PLUGINS_PREINSTALL_SYNC']).toMatch(
      /^questdb-questdb-datasource@\d+\.\d+\.\d+$/,
    );
    for (const volume of grafana.volumes.filter((one) => one.startsWith('./')))
      expect(existsSync(join(ROOT, FOLDER, volume.split(':')[0]!)), volume).toBe(true);
    const asked = new Set(
      [...(read('compose.yaml') + read('questdb-reader.yaml')).matchAll(/\$\{(\w+)(:\?)?/g)].map(
        ([, name, isNeeded]) => {
          expect(isNeeded, name).toBe(':?');
          return name;
        },
      ),
    );
    const offered = [...read('example.env').matchAll(/^(\w+)=$/gm)].map(([, name]) => name);
    expect(offered.toSorted()).toEqual([...asked].toSorted());
    for (const file of globSync('**/*.{yaml,env}', { cwd: join(ROOT, FOLDER) }))
      for (const [line, value] of read(file).matchAll(/^\s*\S*password\S*\s*[:=][ \t]*(.*)$/gim))
        expect(value === '' || value!.startsWith('$'), line).toBe(true);
  });

  test('the data sources are of the kinds that the dashboards are for', () => {
    const { datasources } = parse(read('provisioning/datasources/gpuledger.yaml')) as {
      datasources: { uid: string; type: string; user?: string; jsonData: { username?: string } }[];
    };
    expect(datasources.map(({ type }) => type).toSorted()).toEqual(
      DIALECT_NAMES.map((name) => DIALECTS[name].plugin as string).toSorted(),
    );
    expect(datasources.map(({ uid }) => uid)).toEqual(['gpuledger-questdb', 'gpuledger-postgres']);
    const { services } = parse(read('questdb-reader.yaml')) as Compose;
    const reader = services['questdb']!.environment['QDB_PG_READONLY_USER'];
    expect(datasources.map(({ user, jsonData }) => user ?? jsonData.username)).toEqual([reader, reader]);
    const provider = parse(read('provisioning/dashboards/gpuledger.yaml')) as {
      providers: { options: { path: string } }[];
    };
    const mounts = (parse(read('compose.yaml')) as Compose).services['grafana']!.volumes;
    expect(mounts).toContain(`./dashboards:${provider.providers[0]!.options.path}:ro`);
  });
});
