/**
 * SQL of panels is written once, with words (`@from`) where Grafana puts something in. What a word becomes is told here: the same
 * for both data sources, but for times, which each of them gives in its own way.
 */

/** The two ways from Grafana to QuestDB. */
export const DIALECTS = {
  /** QuestDB's own plugin: `cast(1795960800000000 as timestamp)`; newer versions send the number as a bound value. */
  questdb: {
    plugin: 'questdb-questdb-datasource',
    title: 'QuestDB',
    words: { from: '$__fromTime', to: '$__toTime' },
  },
  /** The one for Postgres, which comes with Grafana: `'2026-11-29T10:00:00Z'`. */
  postgres: {
    plugin: 'grafana-postgresql-datasource',
    title: 'Postgres',
    words: { from: 'cast($__timeFrom() as timestamp)', to: 'cast($__timeTo() as timestamp)' },
  },
} as const;
export type Dialect = keyof typeof DIALECTS;

/** A table by the variable that names it. Percent encoding leaves nothing of a name that could end the quotes. */
const table = (variable: string, end = ''): string => `"\${${variable}:percentencode}${end}"`;

const WORDS: Readonly<Record<string, string>> = {
  // Of a panel as wide as it is, ms. A number of 64 bits, since days in µs are more than 32.
  every_ms: '($__interval_ms * 1L)',
  job: '${job:sqlstring}',
  node: '${node:sqlstring}',
  cluster: '${cluster:sqlstring}',
  account: '${account:sqlstring}',
  // Of whom nobody has a number: then it is no condition at all.
  unseen_minutes: 'cast(${unseen_minutes:sqlstring} AS DOUBLE)',
  samples: table('samples'),
  samples_1m: table('samples', '_1m'),
  samples_1h: table('samples', '_1h'),
  temperatures: table('temperatures'),
  temperatures_1m: table('temperatures', '_1m'),
  temperatures_1h: table('temperatures', '_1h'),
};

/**
 * @param sql with words
 * @throws Error where a word is none: the descriptions are ours.
 */
export function inDialect(sql: string, dialect: Dialect): string {
  const words: Readonly<Record<string, string>> = { ...WORDS, ...DIALECTS[dialect].words };
  return sql.trim().replaceAll(/@([a-z_0-9]+)/g, (_, word: string) => {
    const text = words[word];
    if (text === undefined) throw new Error(`@${word} is no word of panels`);
    return text;
  });
}
