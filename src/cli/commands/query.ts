import { Command, Option } from 'commander';
import type { NamedQuery } from '../../../schemas/query-file.ts';
import { execute } from '../../figures/query-cells.ts';
import { findNamedQuery, readNamedQueries } from '../../queries/query-files.ts';
import { fillQuery, readGiven } from '../../queries/query-sql.ts';
import {
  answerCsv,
  answerJson,
  queryListJson,
  renderAnswer,
  renderQueryDescription,
  renderQueryList,
} from '../../report/query-text.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';
import { terminalStyle } from '../terminal.ts';
import { withStore } from '../with-store.ts';

const EXAMPLES = `
Examples:
  gpuledger query                                     every named query, a line each
  gpuledger query list idle                           those about something
  gpuledger query list job-rhythm                     one of them: what it answers, and its parameters
  gpuledger query run idle-now                        its answer
  gpuledger query run job-phases job=4217 every=1m    with parameters, as name=value
  gpuledger query run top-wasters from=-30d by=user --csv
  gpuledger query show job-phases job=4217            its SQL, for the console or a panel of Grafana

All of them, with their parameters: docs/queries.md
Exit codes: 0 fine; 64 usage, an unknown query or a parameter that is not of its type; 69 the store has no such table;
            75 no QuestDB, or the question takes too long, try again later; 78 the configuration is wrong
`;

const PARAMETERS = `
A parameter is given as name=value. Times are UTC: 2026-11-21, 2026-11-21T09:00:00Z, now, or how long ago: -7d. Durations: 30s, 5m,
1h. Whatever a value holds, it is a value: no SQL of it is ever run.
`;

interface RunFlags {
  readonly json?: true;
  readonly csv?: true;
}

export function command(): Command {
  return new Command('query')
    .description('List, show and run named queries: SQL for questions that reports do not answer.')
    .addHelpText('after', EXAMPLES)
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(addConfigFlags(showCommand(), 'query show'))
    .addCommand(addConfigFlags(runCommand(), 'query run'));
}

function listCommand(): Command {
  return new Command('list')
    .description('One line for each query, or what one of them answers.')
    .argument('[word]', 'part of a name or title, or a name')
    .option('--json', 'print JSON: name, title, about, needs, shared, parameters')
    .action((word: string | undefined, flags: { json?: true }) => {
      const found = listed(word);
      if (flags.json) process.stdout.write(queryListJson(found));
      else if (word !== undefined && found.length === 1)
        process.stdout.write(renderQueryDescription(found[0]!, terminalStyle().width));
      else process.stdout.write(renderQueryList(found, terminalStyle().width));
    });
}

/** @throws OperatingError `query.unknown` where none is */
function listed(word: string | undefined): NamedQuery[] {
  const all = readNamedQueries();
  if (word === undefined) return all;
  const named = all.filter(({ name }) => name === word);
  if (named.length > 0) return named;
  const part = word.toLowerCase();
  const found = all.filter(({ name, title }) => name.includes(part) || title.toLowerCase().includes(part));
  return found.length > 0 && part !== '' ? found : [findNamedQuery(word)];
}

function showCommand(): Command {
  return new Command('show')
    .description('Print the SQL of a query, its parameters filled in.')
    .argument('<name>', 'of the query')
    .argument('[parameters...]', 'name=value')
    .addHelpText('after', PARAMETERS)
    .action(async (name: string, words: readonly string[], flags: object) => {
      const { query, given } = asked(name, words);
      const { config } = await configFrom({ ...flags }, 'reader');
      process.stdout.write(`${fillQuery(query, given, config.lanes, Date.now() * 1000).sql}\n`);
    });
}

function runCommand(): Command {
  return new Command('run')
    .description('Ask a query.')
    .argument('<name>', 'of the query')
    .argument('[parameters...]', 'name=value')
    .addOption(new Option('--json', 'columns and rows, times in epoch microseconds').conflicts('csv'))
    .option('--csv', 'a header and the rows')
    .addHelpText('after', PARAMETERS)
    .action(async (name: string, words: readonly string[], flags: RunFlags) => {
      await runQuery(name, words, flags);
    });
}

/** Refuses what can be refused before anything is read. */
function asked(
  name: string,
  words: readonly string[],
): { query: NamedQuery; given: ReadonlyMap<string, string> } {
  const query = findNamedQuery(name);
  return { query, given: readGiven(query, words) };
}

async function runQuery(name: string, words: readonly string[], flags: RunFlags): Promise<void> {
  const { query, given } = asked(name, words);
  const { filled, answer } = await withStore(flags, async (db, { lanes }) => {
    const filled = fillQuery(query, given, lanes, Date.now() * 1000);
    return { filled, answer: await execute(db, filled.sql) };
  });
  if (flags.json) process.stdout.write(answerJson(filled, answer));
  else if (flags.csv) process.stdout.write(answerCsv(answer));
  else process.stdout.write(renderAnswer(answer, terminalStyle().width));
  const limit = filled.values.get('limit');
  if (answer.rows.length === 0) process.stderr.write('no rows\n');
  else if (String(answer.rows.length) === limit)
    process.stderr.write(`${limit} rows, which is the limit; for more: limit=${Number(limit) * 10}\n`);
}
