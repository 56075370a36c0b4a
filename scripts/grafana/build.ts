import * as barGauge from '@grafana/grafana-foundation-sdk/bargauge';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboards from '@grafana/grafana-foundation-sdk/dashboard';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as stateTimeline from '@grafana/grafana-foundation-sdk/statetimeline';
import * as statusHistory from '@grafana/grafana-foundation-sdk/statushistory';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeSeries from '@grafana/grafana-foundation-sdk/timeseries';
import { ALL, type Dashboard, type LinkTarget, type Panel, type PanelKind, type Variable } from './panel.ts';
import { DIALECTS, inDialect, type Dialect } from './words.ts';

/** Stable: links and bookmarks hold it. */
const uidOf = (name: string, dialect: Dialect): string => `gpuledger-${name}-${dialect}`;

/** By the variable of the dashboard, so that it can be imported wherever there is a data source of the kind. */
const sourceOf = (dialect: Dialect): common.DataSourceRef => ({
  type: DIALECTS[dialect].plugin,
  uid: '${datasource}',
});

/** Whether the plugin is to make a line of each name: a frame of `time`, names and numbers. */
const isSeries = (kind: PanelKind): boolean => kind === 'lines' || kind === 'map' || kind === 'days';

/** The query as the plugin keeps it: they differ in all but `rawSql`. */
function queryModel(sql: string, dialect: Dialect, { isSeries }: { readonly isSeries: boolean }): object {
  const rawSql = inDialect(sql, dialect);
  if (dialect === 'postgres')
    return { rawSql, rawQuery: true, editorMode: 'code', format: isSeries ? 'time_series' : 'table' };
  // 0 is a time series, 1 a table; the second is what the editor shows.
  const format = isSeries ? 0 : 1;
  return { rawSql, queryType: 'sql', format, selectedFormat: format };
}

class Target implements Builder<Dataquery> {
  readonly #query: object;
  constructor(query: object) {
    this.#query = query;
  }
  build(): Dataquery {
    return this.#query as Dataquery;
  }
}

function targetOf(sql: string, dialect: Dialect, isTimeSeries: boolean): Target {
  return new Target({
    refId: 'A',
    datasource: sourceOf(dialect),
    ...queryModel(sql, dialect, { isSeries: isTimeSeries }),
  });
}

/** To a dashboard, for the value of a cell; what is typed into an address is encoded. */
function linkOf(target: LinkTarget, dialect: Dialect): Builder<dashboards.DashboardLink> {
  return new dashboards.DashboardLinkBuilder(`Show the ${target}`).url(
    `/d/${uidOf(target, dialect)}?var-${target}=\${__value.raw:percentencode}&\${datasource:queryparam}&\${cluster:queryparam}&\${__url_time_range}`,
  );
}

type AnyPanel =
  | timeSeries.PanelBuilder
  | stat.PanelBuilder
  | table.PanelBuilder
  | barGauge.PanelBuilder
  | statusHistory.PanelBuilder
  | stateTimeline.PanelBuilder;

const lastOfAll = (): common.ReduceDataOptionsBuilder =>
  new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false);
const eachRow = (): common.ReduceDataOptionsBuilder =>
  new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(true).limit(50);
const below = (): common.VizLegendOptionsBuilder =>
  new common.VizLegendOptionsBuilder()
    .showLegend(true)
    .displayMode(common.LegendDisplayMode.List)
    .placement(common.LegendPlacement.Bottom)
    .calcs([]);
const heat = (): dashboards.FieldColorBuilder =>
  new dashboards.FieldColorBuilder().mode(dashboards.FieldColorModeId.ContinuousBlPu);

/** What looks how. */
const LOOKS: Readonly<Record<PanelKind, () => AnyPanel>> = {
  figures: () =>
    new stat.PanelBuilder()
      .reduceOptions(lastOfAll())
      .graphMode(common.BigValueGraphMode.None)
      .colorMode(common.BigValueColorMode.None)
      .textMode(common.BigValueTextMode.ValueAndName),
  lines: () =>
    new timeSeries.PanelBuilder().min(0).lineWidth(1).fillOpacity(5).spanNulls(false).legend(below()),
  map: () =>
    new statusHistory.PanelBuilder()
      .min(0)
      .max(1)
      .colorScheme(heat())
      .showValue(common.VisibilityMode.Never)
      .rowHeight(0.9)
      .colWidth(1)
      .legend(
        new common.VizLegendOptionsBuilder()
          .showLegend(false)
          .displayMode(common.LegendDisplayMode.List)
          .placement(common.LegendPlacement.Bottom)
          .calcs([]),
      ),
  states: () =>
    new stateTimeline.PanelBuilder()
      .mergeValues(true)
      .showValue(common.VisibilityMode.Auto)
      .legend(below())
      // The plugins take a text for a name of a line, not for its value: so the table is parted by device here.
      .withTransformation({
        id: 'partitionByValues',
        options: { fields: ['device'], keepFields: false, naming: { asLabels: true } },
      })
      .displayName('${__field.labels.device}'),
  days: () =>
    new timeSeries.PanelBuilder()
      .min(0)
      .drawStyle(common.GraphDrawStyle.Line)
      .lineInterpolation(common.LineInterpolation.StepAfter)
      .fillOpacity(60)
      .barAlignment(common.BarAlignment.After)
      .legend(below()),
  bars: () =>
    new barGauge.PanelBuilder()
      .min(0)
      .reduceOptions(eachRow())
      .displayMode(common.BarGaugeDisplayMode.Basic)
      .orientation(common.VizOrientation.Horizontal)
      .valueMode(common.BarGaugeValueMode.Color)
      .showUnfilled(true),
  table: () => new table.PanelBuilder().filterable(true).cellHeight(common.TableCellHeight.Sm),
};

function panelOf(panel: Panel, dialect: Dialect, id: number, gridPos: dashboards.GridPos): AnyPanel {
  const builder = LOOKS[panel.kind]()
    .id(id)
    .title(panel.title)
    .description(panel.about)
    .datasource(sourceOf(dialect))
    .gridPos(gridPos)
    .noValue('not known')
    .withTarget(targetOf(panel.sql, dialect, isSeries(panel.kind)));
  if (panel.unit !== undefined) builder.unit(panel.unit);
  if (panel.isByDevice === true) builder.displayName('${__field.labels.device}');
  if (panel.stepsMax !== undefined) builder.maxDataPoints(panel.stepsMax);
  const columns = new Map<string, dashboards.DynamicConfigValue[]>();
  const add = (column: string, id: string, value: unknown): void => {
    columns.set(column, [...(columns.get(column) ?? []), { id, value }]);
  };
  for (const [column, unit] of Object.entries(panel.units ?? {})) add(column, 'unit', unit);
  for (const [column, target] of Object.entries(panel.links ?? {}))
    add(column, 'links', [linkOf(target, dialect).build()]);
  for (const column of panel.stacked ?? []) {
    add(column, 'custom.drawStyle', common.GraphDrawStyle.Bars);
    add(column, 'custom.stacking', { group: 'A', mode: common.StackingMode.Normal });
  }
  for (const [column, properties] of columns) builder.overrideByName(column, properties);
  return builder;
}

function variableOf(variable: Variable, dialect: Dialect): Builder<dashboards.VariableModel> {
  const { name, label, first } = variable;
  if (variable.kind === 'text')
    return new dashboards.TextBoxVariableBuilder(name)
      .label(label)
      .defaultValue(first)
      .current({ selected: true, text: first, value: first });
  const sql = inDialect(variable.sql, dialect);
  const builder = new dashboards.QueryVariableBuilder(name)
    .label(label)
    .datasource(sourceOf(dialect))
    .query(sql)
    .definition(sql)
    .sort(dashboards.VariableSort.Disabled)
    .refresh(dashboards.VariableRefresh.OnTimeRangeChanged)
    .multi(false)
    .includeAll(first === ALL);
  // What stands for all goes into SQL as it is written here.
  return first === ALL
    ? builder.allValue("''").current({ selected: true, text: 'All', value: ALL })
    : builder.current({ selected: true, text: first, value: first });
}

/* The classic form, which every Grafana of today imports and provisions; that of dashboardv2 is not in all of them. */
/* eslint-disable @typescript-eslint/no-deprecated */

/** A dashboard for one of the data sources, as Grafana imports and provisions it. */
export function buildDashboard(dashboard: Dashboard, dialect: Dialect): dashboards.Dashboard {
  const { name, title, about, since, refresh, variables, marks, sections } = dashboard;
  const builder = new dashboards.DashboardBuilder(`${title} (${DIALECTS[dialect].title})`)
    .uid(uidOf(name, dialect))
    .description(about)
    .tags(['gpuledger', `gpuledger-${dialect}`])
    .timezone('utc')
    .time({ from: since, to: 'now' })
    .refresh(refresh)
    .readonly()
    .tooltip(dashboards.DashboardCursorSync.Crosshair)
    .withVariable(
      new dashboards.DatasourceVariableBuilder('datasource')
        .label('data source')
        .type(DIALECTS[dialect].plugin),
    );
  for (const variable of variables) builder.withVariable(variableOf(variable, dialect));
  for (const { name: markName, color, sql } of marks)
    builder.annotation(
      new dashboards.AnnotationQueryBuilder()
        .name(markName)
        .enable(true)
        .iconColor(color)
        .datasource(sourceOf(dialect))
        .target(targetOf(sql, dialect, false)),
    );
  for (const link of linksOf(name, dialect)) builder.link(link);
  placeSections(builder, sections, dialect);
  const built = builder.build();
  // The SDK hides links and switches in a menu, unless nothing is said.
  for (const one of [...(built.links ?? []), ...(built.annotations.list ?? [])]) delete one.placement;
  return built;
}

/** To the others of its kind, and to the page that `gpuledger serve` has of the same. */
function linksOf(name: string, dialect: Dialect): dashboards.DashboardLinkBuilder[] {
  const others = new dashboards.DashboardLinkBuilder('gpuledger')
    .type(dashboards.DashboardLinkType.Dashboards)
    .tags([`gpuledger-${dialect}`])
    .asDropdown(true)
    .keepTime(true)
    .includeVars(true);
  const page = { job: '/job/${job:percentencode}', node: '/node/${node:percentencode}', fleet: '/' }[name];
  if (page === undefined) return [others];
  return [
    others,
    new dashboards.DashboardLinkBuilder('Page of gpuledger serve')
      .type(dashboards.DashboardLinkType.Link)
      .url(`\${pages:raw}${page}`)
      .targetBlank(true),
  ];
}

const ROW_HEIGHT = 1;
const GRID_WIDTH = 24;

/** One below the other, panels from left to right; those of a collapsed row are asked for when somebody opens it. */
function placeSections(
  builder: dashboards.DashboardBuilder,
  sections: Dashboard['sections'],
  dialect: Dialect,
): void {
  let id = 0;
  let y = 0;
  for (const { title, isCollapsed = false, panels } of sections) {
    const row = new dashboards.RowBuilder(title)
      .id((id += 1))
      .collapsed(isCollapsed)
      .gridPos({ x: 0, y, w: GRID_WIDTH, h: ROW_HEIGHT });
    y += ROW_HEIGHT;
    const placed: AnyPanel[] = [];
    let x = 0;
    let height = 0;
    for (const panel of panels) {
      if (x + panel.width > GRID_WIDTH) [x, y, height] = [0, y + height, 0];
      placed.push(panelOf(panel, dialect, (id += 1), { x, y, w: panel.width, h: panel.height }));
      x += panel.width;
      height = Math.max(height, panel.height);
    }
    y += height;
    if (isCollapsed) for (const one of placed) row.withPanel(one);
    builder.withRow(row);
    if (!isCollapsed) for (const one of placed) builder.withPanel(one);
  }
}
