import * as z from 'zod';
import { queryAnswer } from '../../../../schemas/reports/query-answer.ts';
import { queryList } from '../../../../schemas/reports/query-list.ts';
import { findNamedQuery, readNamedQueries } from '../../../queries/query-files.ts';
import { answerJson, queryListJson } from '../../../report/query-text.ts';
import { askedOf, givenOf } from '../../asked.ts';
import { operatorsOnly } from '../../operators-only.ts';
import { readQuery } from '../../reads.ts';
import type { App, Serving } from '../../serving.ts';
import { described, sendJson } from './described.ts';

const NAMED = z.object({ name: z.string() });

/** The named queries as JSON. For operators: they see everything. */
export function addQueriesApi(app: App, serving: Serving): void {
  const list = described({
    ...{ summary: 'The named queries', description: 'As gpuledger query list --json. For operators' },
    answer: queryList,
  });
  app.get('/api/v1/queries', { ...list, preHandler: operatorsOnly }, (request, reply) => {
    askedOf({}, request.query);
    return sendJson(reply, queryListJson(readNamedQueries()));
  });
  const one = described({
    summary: 'The answer of a named query',
    description: 'As gpuledger query run NAME --json, with its parameters behind the ?. For operators',
    ...{ params: NAMED, answer: queryAnswer },
  });
  app.get('/api/v1/queries/:name', { ...one, preHandler: operatorsOnly }, async (request, reply) => {
    const query = findNamedQuery((request.params as z.output<typeof NAMED>).name);
    const given = givenOf(request.query, [...query.parameters.keys()]);
    const { filled, answer } = await readQuery(serving.storeFor(request), serving, query, given);
    return await sendJson(reply, answerJson(filled, answer));
  });
}
