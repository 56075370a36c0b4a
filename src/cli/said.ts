import { harmlessLines } from '../report/text/table-text.ts';

/** Of a configuration string of QuestDB that came to the wrong place. */
const SECRETS = /((?:password|token\w*)\s*=)[^\s;"']+/gi;

/** What is said to a person, who may have typed anything: nothing in it is obeyed by a terminal, and no secret is told. */
export function said(text: string): string {
  return harmlessLines(text.replaceAll(SECRETS, '$1***'));
}
