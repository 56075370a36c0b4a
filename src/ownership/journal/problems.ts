import { OperatingError } from '../../core/base/errors.ts';
import type { JournalEntry } from './entry.ts';

/** What can be wrong with the records of a journal, in words. */

export function cannotResolve({ name, record, resolution }: JournalEntry, node: string): OperatingError {
  const names = resolution.unresolved.join(', ');
  return new OperatingError(
    `expected devices of ${node}, found ${JSON.stringify(names)} for job ${record.job}, which cannot be told apart`,
    {
      code: 'journal.unresolved_device',
      exit: 'data',
      where: name,
      hints: ['let the collector read gres.conf beside slurm.conf', 'or name the devices in jobs.device_map'],
    },
  );
}

export function endWithoutStart({ name, record }: JournalEntry): OperatingError {
  return new OperatingError(
    `expected a start of job ${record.job} before its end, found none: its time is not owned`,
    {
      code: 'journal.end_without_start',
      exit: 'data',
      where: name,
      hints: [
        'set Prolog= and PrologFlags=Alloc in slurm.conf, so that an allocation without a step has a prolog too',
      ],
    },
  );
}

export function clockSetBack(jobId: string, node: string, wasUs: number, startUs: number): OperatingError {
  const seconds = Math.round((wasUs - startUs) / 1e6);
  return new OperatingError(
    `expected a clock that goes forward, but it was set back by ${seconds} s while job ${jobId} ran: its start moves along`,
    {
      code: 'journal.clock_set_back',
      exit: 'data',
      where: node,
      hints: ['keep the clock by chrony or ntpd'],
    },
  );
}
