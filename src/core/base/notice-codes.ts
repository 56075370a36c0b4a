/** Every code of a notice and what it means, for `docs/codes.md`. A program imports the type alone, which loads nothing. */
export const NOTICE_CODES = {
  'account.damaged': 'The account of what was delivered cannot be read; its counts begin anew.',
  'account.missing':
    'The account of what was delivered is not there beside what was delivered by it; its counts begin anew.',
  'column.wrong_type':
    'A column of the store has another type than the values: its rows are refused until it is altered.',
  'config.warning': 'The configuration holds something that works but is hardly meant.',
  'dead_letters.dropped': 'Dead letters made way for newer ones: their rows are lost, and counted.',
  'delivery.held': 'The store takes no rows of a table: they are kept.',
  'delivery.recovered': 'Rows of a life that was cut short were found in its ring journal.',
  'delivery.resumed': 'The store takes rows of a table again.',
  'digest.written': 'The digest of a month is written, and mailed where that is configured.',
  'drain.behind':
    'The store does not show yet what it has taken of a table, so the newest sample is not known for certain.',
  'exporter.handshake':
    'Somebody who asks for metrics is not let in by TLS, for his certificate or his version.',
  'exporter.not_served': 'A row of the counters file has no series.',
  'exporter.not_taken': 'The system did not hand over a connection of somebody who asks for metrics.',
  'exporter.serving': 'Metrics are served, and where.',
  'host_jobs.unmeasured':
    'No job that owns GPUs has a cgroup of Slurm: what they do on their node is not recorded.',
  'idle_watch.idle':
    'All GPUs of a running job idle. Told once, and again as often as the configuration says.',
  'idle_watch.over': 'A job that was told to idle works again, or has ended.',
  'idle_watch.state': 'Of which idle jobs was told cannot be read: they are told of once more.',
  'job.failed': 'A job of the schedule failed; its next run comes as ever.',
  'job_figures.held': 'The figures of ended jobs wait for the store.',
  'job_figures.inconclusive':
    'The sums of a job are kept, but not where its time went: the store refused a question. The next start of the collector asks again.',
  'jobs.open_stays': 'Jobs that have ended still own GPUs: no epilog has told their end.',
  'jobs.refused': 'A row of a scheduler cannot be understood, and is left out.',
  'journal.damaged':
    'The ring journal of a former life is not there, was cut or cannot be read: what it held is lost.',
  'journal.failed': 'The ring journal of a lane cannot be written: a kill would cost what is in memory.',
  'lane.late': 'A lane missed ticks.',
  'lane.lost': 'Rows of a lane are nowhere: a row of `gpu_events` says why.',
  'outbox.dropped': 'Rows of the small tables were given up, because too many wait for the store.',
  'relabel.done': 'Samples got the label of a fact that came late.',
  'relabel.held': 'Late facts of the job map wait for the store.',
  'relabel.too_late':
    'A fact of the job map came so late that its samples are gone: the rollups of that time keep their label.',
  'ring.dropped': 'The ring of a lane was full: ticks were dropped.',
  'rows.refused':
    'QuestDB refused rows of samples: they are kept as dead letters where there is a state directory.',
  'run.reloading': 'SIGHUP came, or the counters file changed: gpuledger goes on with the new configuration.',
  'run.started': 'Sampling has begun.',
  'run.stopping': 'gpuledger is about to end and writes what it holds.',
  'schema.kept':
    'A table or rollup of the store stays as it is, although the configuration wants it otherwise.',
  'serve.defect': 'The web server could not answer a reader, by a defect of gpuledger.',
  'serve.file_taken': 'A file of the web server or of the metrics changed, and what it says now holds.',
  'serve.forged':
    'Somebody who is no proxy sends the header in which the proxy names the user: it is refused.',
  'serve.slowed': 'Somebody tries wrong names, passwords or tokens: further tries of his wait.',
  'serve.started': 'The web server listens.',
  'serve.stopping': 'The web server is about to end.',
  'serve.warning': 'A file of the web server or of the metrics can be used and is hardly as it should be.',
  'shared_use.unmeasured':
    'What the owners of a shared GPU do with it cannot be measured: they are taken to have equal parts.',
  'shutdown.unsent': 'The store did not take everything before the end.',
  'slurm.warning': 'A command of Slurm warns of something.',
  'small_table.held': 'Rows of a small table wait for the store.',
  'source.back': 'The source answers again.',
  'source.cut_off': 'The source did not answer until the collector was stopped: that time is a gap.',
  'source.event': 'The source told an event of its devices: it is a row of `gpu_events`.',
  'source.no_watermark':
    'The newest sample of a table is not known: its rows begin anew, and nothing older is fetched.',
  'source.silent': 'The source has not answered for seconds: nothing is sampled meanwhile.',
  'spool.damaged': 'A part of the spool cannot be read.',
  'spool.dropped': 'Spooled rows were given up, for their age or for room.',
  'spool.lost': 'Rows could not be spooled and are lost.',
  'spool.unknown_rows': 'The spool holds rows that the account does not know: they are counted as sampled.',
  'store.auto_creation':
    'The server makes tables and columns of its own accord, which are wrong ones: it should be told not to.',
  'store.away': 'The store, or the way to it, takes nothing: rows wait. Told once an outage.',
  'store.back': 'The store takes rows again: how long it did not, and how many tries failed.',
  'store.resumed': 'A table is no longer suspended.',
  'store.sent_again':
    'Rows were sent once more, since the tables that had taken them are not there any more.',
  'store.suspended': 'QuestDB has suspended a table: it takes rows but shows none.',
  'store.tables_fit': 'The tables of the store fit again: rows are written.',
} as const;

export type NoticeCode = keyof typeof NOTICE_CODES;
